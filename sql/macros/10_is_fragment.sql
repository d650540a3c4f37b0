-- What an ellipsis left of the last word of a retweet that was cut (`r…`): no word. camembias.text.words cuts it so.
CREATE MACRO is_fragment(word) AS regexp_matches(word, '[\p{L}\p{N}_](…|\.\.\.)$');
