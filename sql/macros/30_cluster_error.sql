-- Standard error of a weighted mean over the clusters that are aggregated: x is a cluster's sum of weight times value, n
-- its sum of weights. Cluster-robust, right on average also where clusters differ in size; null for a single one.
CREATE MACRO cluster_error(x, n) AS
CASE WHEN count(*) > 1 THEN
    weighted_error(sum(n ** 2), sum(n ** 3), sum(x * n), sum(x * x), sum(n), sum(n ** 2), sum(x) / sum(n))
END;
