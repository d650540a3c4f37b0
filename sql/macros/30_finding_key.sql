-- The order of findings: what is confirmed first, and in each verdict what is surest: by q, by p, and by the end of the
-- interval of reliance that is nearer to 0, so that a word of a few tweets does not lead.
CREATE MACRO finding_key(verdict, q_verdict, p_verdict, reliance_low, reliance_high, effect, reliance) AS create_sort_key(
    list_position(
        [
            'confirmed_bias', 'confirmed_away', 'kind_only', 'unconfirmed', 'model_only', 'not_decisive', 'residual',
            'unused_association', 'expected', 'no_finding', 'weak'
        ],
        verdict
    ), 'ASC NULLS LAST',
    q_verdict, 'ASC NULLS LAST', p_verdict, 'ASC NULLS LAST',
    greatest(reliance_low, -reliance_high), 'DESC NULLS LAST',
    abs(effect), 'DESC NULLS LAST', abs(reliance), 'DESC NULLS LAST'
);
