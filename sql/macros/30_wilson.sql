-- Wilson's 95 % interval of a share of n tweets: its ends, as a struct of low and high (Wilson 1927).
CREATE MACRO wilson(share, n) AS {
    'low': greatest(0, (
        share + 1.96 ** 2 / (2 * n) - 1.96 * sqrt(share * (1 - share) / n + 1.96 ** 2 / (4 * n * n))
    ) / (1 + 1.96 ** 2 / n)),
    'high': least(1, (
        share + 1.96 ** 2 / (2 * n) + 1.96 * sqrt(share * (1 - share) / n + 1.96 ** 2 / (4 * n * n))
    ) / (1 + 1.96 ** 2 / n))
};
