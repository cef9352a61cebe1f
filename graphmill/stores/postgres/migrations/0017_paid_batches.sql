-- A batch that is paid for is not forgotten because its endpoint does not find it for a moment: what
-- it does not find (graphmill.llm.batches.Missing), and since when. Of batches of older releases
-- nothing is missing.
ALTER TABLE model_batches ADD COLUMN missing text NOT NULL DEFAULT '';
ALTER TABLE model_batches ADD COLUMN missing_since timestamptz;
-- Other runs may wait for its answers; false where it has failed and only waits to be told so.
ALTER TABLE model_batches ADD COLUMN shared boolean NOT NULL DEFAULT true;
