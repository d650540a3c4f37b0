-- name: last_runs
-- question: When did each kind of job run last, and with which versions?
-- unit: one kind of job; times in UTC, versions is JSON
-- caveat: status, times and versions are those of the latest run; workers are no runs
-- columns: kind, runs, failed, started_at, finished_at, status, versions
SELECT
    kind, count(*) AS runs, count(*) FILTER (status = 'failed') AS failed,
    max(started_at) AS started_at, arg_max_null(finished_at, started_at) AS finished_at,
    arg_max(status, started_at) AS status, arg_max(versions, started_at) AS versions
FROM runs
GROUP BY kind
ORDER BY kind;
