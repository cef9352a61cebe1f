-- Entity resolution that can be seen and overruled: what was decided of each pair of titles, and
-- what a person says of one.

-- Of each pair that a graph's resolution looked at closely, both ways; `title` is the smaller.
-- entity_resolutions is what came of it.
CREATE TABLE resolution_decisions (
    graph_id    bigint NOT NULL REFERENCES graphs ON DELETE CASCADE,
    title       text COLLATE "C" NOT NULL,
    other       text COLLATE "C" NOT NULL,
    same        boolean NOT NULL,
    step        text NOT NULL CHECK (step IN ('title', 'similar', 'model', 'person')),
    reason      text NOT NULL,
    PRIMARY KEY (graph_id, title, other),
    CHECK (title < other)
);

-- It goes over all that is decided otherwise, in every graph from the next on. It stays when the
-- titles go, since they may come back.
CREATE TABLE resolution_verdicts (
    tenant      text NOT NULL,
    collection  text NOT NULL,
    title       text COLLATE "C" NOT NULL,
    other       text COLLATE "C" NOT NULL,
    same        boolean NOT NULL,
    reason      text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant, collection, title, other),
    FOREIGN KEY (tenant, collection) REFERENCES collections ON DELETE CASCADE,
    CHECK (title < other)
);
