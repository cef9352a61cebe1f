-- What a call was, so that an answer is kept once though it may be written twice: who wrote it does
-- not always hear that it was. NULL: from before.
ALTER TABLE model_calls ADD COLUMN paid uuid;
ALTER TABLE text_vectors ADD COLUMN paid uuid;

-- As in 0013, for many keys in one statement: the claim of somebody who lives is not locked while
-- the others are looked at, so whoever holds it can end it meanwhile.
CREATE OR REPLACE FUNCTION claim_model_call(
    the_tenant text, the_key bytea, the_run uuid, the_session uuid, expiry interval, lease float8
) RETURNS TABLE (
    claimed boolean, answer text, of_own_batch boolean, bad_answers int, last_bad text,
    unread text, unread_attempt int
) LANGUAGE plpgsql AS $$
BEGIN
    claimed := false;
    FOR look IN 1..2 LOOP
        SELECT (array_agg(c.answer ORDER BY c.attempt DESC) FILTER (
                WHERE c.valid AND (expiry IS NULL OR c.answered_at > now() - expiry)))[1],
            bool_or(c.valid AND c.batched AND c.run_id = the_run) IS TRUE,
            count(*) FILTER (
                WHERE NOT c.valid AND NOT c.unread AND c.run_id IS NOT DISTINCT FROM the_run),
            (array_agg(c.answer ORDER BY c.attempt DESC) FILTER (
                WHERE NOT c.valid AND NOT c.unread AND c.run_id IS NOT DISTINCT FROM the_run))[1],
            (array_agg(c.answer ORDER BY c.attempt) FILTER (WHERE c.unread))[1],
            min(c.attempt) FILTER (WHERE c.unread)
        INTO answer, of_own_batch, bad_answers, last_bad, unread, unread_attempt
        FROM model_calls c WHERE c.tenant = the_tenant AND c.key = the_key;
        EXIT WHEN answer IS NOT NULL OR claimed;
        INSERT INTO model_claims (tenant, key, session)
        VALUES (the_tenant, the_key, the_session)
        ON CONFLICT ON CONSTRAINT model_claims_pkey DO NOTHING;
        claimed := FOUND;
        IF NOT claimed THEN
            UPDATE model_claims held SET session = the_session
            WHERE held.tenant = the_tenant AND held.key = the_key
            AND (held.session = the_session OR NOT EXISTS (
                SELECT FROM model_sessions s WHERE s.id = held.session
                AND s.seen_at > now() - make_interval(secs => lease)));
            claimed := FOUND;
        END IF;
        EXIT WHEN NOT claimed;
    END LOOP;
    IF claimed AND answer IS NOT NULL THEN
        DELETE FROM model_claims held
        WHERE held.tenant = the_tenant AND held.key = the_key AND held.session = the_session;
        claimed := false;
    END IF;
    RETURN NEXT;
END $$;
