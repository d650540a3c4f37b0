-- Squared residuals about a weighted mean are too small, the more so the heavier the unit. What makes their sum right on
-- average, where all units vary alike: v is the sum of the weights of the squares, vw of those times the units' weights, w
-- and w2 of the units' weights and their squares. n / (n - 1) for n equal units (Bell and McCaffrey 2002); null for one.
CREATE MACRO small_sample(v, vw, w, w2) AS v / nullif(greatest(0, v * (1 + w2 / w ** 2) - 2 * vw / w), 0);
