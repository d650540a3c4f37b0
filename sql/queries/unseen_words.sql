-- name: unseen_words
-- question: Which words can the model not see, because its tokenizer has no piece for them?
-- unit: one word of the explained tweets; unknown_share of its pieces, 0 to 1; tweets are sampled tweets
-- caveat: what the tokenizer cannot see cannot be blamed as itself: all unknown pieces are one and the same token
-- param: kind = emoji -- only this kind of word; NULL: every kind
-- param: top = 50 -- rows; NULL: all
-- columns: word, kind, pieces, unknown, unknown_share, tweets
SELECT p.word, r.kind, p.pieces, p.unknown, p.unknown / p.pieces AS unknown_share, max(r.tweets) AS tweets
FROM word_pieces AS p
JOIN current_word_label_reliance AS r ON r.model_version = p.model_version AND r.word = p.word
WHERE p.unknown > 0 AND (CAST($kind AS VARCHAR) IS NULL OR r.kind = CAST($kind AS VARCHAR))
GROUP BY p.word, r.kind, p.pieces, p.unknown
ORDER BY tweets DESC, p.word
LIMIT CAST($top AS BIGINT);
