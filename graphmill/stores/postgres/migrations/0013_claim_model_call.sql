-- graphmill.llm.caller.CallStore.claim in one statement: a call has few words with this database.
-- What is known of a question; and the right to ask it, where no good answer is stored and nobody
-- who lives is asking. In a function each statement sees what was committed before it began: whoever
-- held the claim may have stored an answer between our first look and our claim.
CREATE FUNCTION claim_model_call(
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
        INSERT INTO model_claims AS held (tenant, key, session)
        VALUES (the_tenant, the_key, the_session)
        ON CONFLICT ON CONSTRAINT model_claims_pkey DO UPDATE SET session = excluded.session
        WHERE held.session = excluded.session OR NOT EXISTS (
            SELECT FROM model_sessions s WHERE s.id = held.session
            AND s.seen_at > now() - make_interval(secs => lease));
        claimed := FOUND;
        EXIT WHEN NOT claimed;
    END LOOP;
    IF claimed AND answer IS NOT NULL THEN
        DELETE FROM model_claims held
        WHERE held.tenant = the_tenant AND held.key = the_key AND held.session = the_session;
        claimed := false;
    END IF;
    RETURN NEXT;
END $$;
