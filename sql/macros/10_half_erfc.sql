-- erfc(x) / 2 for x >= 0, given t = 1 / (1 + x / 2). Relative error under 1.2e-7 everywhere, so that tiny p keep their
-- order (Press et al. 1992, Numerical Recipes, section 6.2). A step of normal_tail, which is what people call.
CREATE MACRO half_erfc(x, t) AS
0.5 * t * exp(
    -x * x - 1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * (
        0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)))
    )))))
);
