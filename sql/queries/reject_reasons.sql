-- name: reject_reasons
-- question: Why were input rows refused?
-- unit: one reason; rows in counts, share of all refused rows from 0 to 1
-- caveat: a row refused in several runs counts once
-- columns: reason, rejected, sources, share
SELECT
    reason, count(*) AS rejected, count(DISTINCT source) AS sources, count(*) / sum(count(*)) OVER () AS share
FROM rejects
GROUP BY reason
ORDER BY rejected DESC, reason;
