-- The kind of a word by its form alone: no lexicon, no tagger. As camembias.text.kind, but for rare symbols.
CREATE MACRO word_kind(word) AS
CASE
    WHEN word IN ('<handle>', '<hashtag>', '<link>', '<emoji>', '<number>') THEN 'kind'
    WHEN is_fragment(word) THEN 'punctuation'
    WHEN regexp_matches(word, '^(?i:https?://|www\.|pic\.twitter\.com)')
        OR regexp_matches(word, '^([\p{L}\p{N}-]+\.)+(fr|com|org|net|eu)([/?#:].*)?$') THEN 'link'
    WHEN regexp_matches(word, '^[@＠][\p{L}\p{N}_]') THEN 'handle'
    WHEN regexp_matches(word, '^[0-9#*]\x{FE0F}?\x{20E3}') THEN 'emoji'
    WHEN regexp_matches(word, '^[\x{1F3FB}-\x{1F3FF}]') OR regexp_matches(word, '^([^\p{L}\p{N}]|ℹ|Ⓜ)\x{FE0F}')
        OR (regexp_matches(word, '^\p{So}') AND NOT regexp_matches(word, '^[\x{00}-\x{218F}]')) THEN 'emoji'
    WHEN regexp_matches(word, '^[#＃][\p{L}\p{N}_]') THEN 'hashtag'
    WHEN regexp_matches(word, '^\p{N}') THEN 'number'
    WHEN regexp_full_match(word, '(?i:[ldjnsmtcy]|(?:jus|lors|puis|quoi)?qu)[''’ʼ]') THEN 'elision'
    WHEN regexp_full_match(word, '-(?i:(?:t-)?(?:je|tu|ils?|elles?|on|[nv]ous|ce))') OR lower(word) IN (
        'a', 'ai', 'aie', 'aient', 'ait', 'après', 'as', 'au', 'aucun', 'aucune', 'auquel', 'aura', 'aurai',
        'auraient', 'aurais', 'aurait', 'auras', 'aurez', 'aurons', 'auront', 'aux', 'avaient', 'avais',
        'avait', 'avant', 'avec', 'avez', 'avoir', 'avons', 'ayant', 'c', 'ca', 'car', 'ce', 'ceci', 'cela',
        'celle', 'celles', 'celui', 'ces', 'cet', 'cette', 'ceux', 'chaque', 'chez', 'comme', 'contre', 'd',
        'dans', 'de', 'depuis', 'derrière', 'des', 'devant', 'donc', 'dont', 'du', 'duquel', 'durant',
        'dès', 'elle', 'elles', 'en', 'entre', 'envers', 'es', 'est', 'et', 'eu', 'eux', 'furent', 'fut',
        'hors', 'il', 'ils', 'j', 'je', 'jusque', 'l', 'la', 'laquelle', 'le', 'lequel', 'les',
        'lesquelles', 'lesquels', 'leur', 'leurs', 'lorsque', 'lui', 'ma', 'mais', 'malgré', 'me', 'mes',
        'moi', 'mon', 'ne', 'ni', 'nos', 'notre', 'nous', 'on', 'ont', 'or', 'ou', 'où', 'par', 'parmi',
        'pendant', 'plusieurs', 'pour', 'puisque', 'quand', 'que', 'quel', 'quelle', 'quelles', 'quelques',
        'quels', 'qui', 'quoi', 'quoique', 'sa', 'sans', 'se', 'selon', 'sera', 'serai', 'seraient',
        'serais', 'serait', 'seras', 'serez', 'serons', 'seront', 'ses', 'si', 'soi', 'soient', 'sois',
        'soit', 'sommes', 'son', 'sont', 'sous', 'suis', 'sur', 'ta', 'te', 'tes', 'toi', 'ton', 'tous',
        'tout', 'toute', 'toutes', 'tu', 'un', 'une', 'vers', 'via', 'vos', 'votre', 'vous', 'y', 'à', 'ça',
        'étaient', 'étais', 'était', 'étant', 'étiez', 'étions', 'êtes', 'être'
    ) THEN 'function'
    WHEN regexp_matches(word, '^\p{L}') THEN 'word'
    ELSE 'punctuation'
END;
