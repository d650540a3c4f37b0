-- Newcombe's 95 % interval of one share of n less another of m, each end from Wilson's intervals of the two (Newcombe 1998,
-- method 10): its ends, as a struct of low and high. A view computes Wilson's in one step and this in the next.
CREATE MACRO shares_apart(share, its, other, of_other) AS {
    'low': share - other - sqrt((share - its.low) ** 2 + (of_other.high - other) ** 2),
    'high': share - other + sqrt((its.high - share) ** 2 + (other - of_other.low) ** 2)
};
