-- Standard error of a weighted mean from squared residuals, from sums that add over units: v of the weights of the squares,
-- vw of those times the units' weights, vx and vxx of those times value and value squared; w and w2 of the units' weights
-- and their squares. Residuals about a weighted mean are too small, the more so the heavier the unit: the sum is divided by
-- what it expects where all units vary alike, n / (n - 1) for n equal ones (Bell and McCaffrey 2002); null for one.
CREATE MACRO weighted_error(v, vw, vx, vxx, w, w2, mean) AS sqrt(
    v / nullif(greatest(0, v * (1 + w2 / w ** 2) - 2 * vw / w), 0) * greatest(0, vxx - 2 * mean * vx + mean ** 2 * v)
) / w;
