-- p in either direction, from those in each; null where nothing was tested, which `least` alone would call 1.
CREATE MACRO two_sided(towards, away) AS CASE WHEN towards IS NOT NULL THEN least(1, 2 * least(towards, away)) END;
