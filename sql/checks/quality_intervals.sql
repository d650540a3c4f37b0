-- A measure of quality rests on tweets, and lies within its interval.
SELECT model_version, measure, variant
FROM quality
WHERE (tweets > 0 AND low <= mean + 1e-9 AND mean <= high + 1e-9) IS NOT TRUE;
