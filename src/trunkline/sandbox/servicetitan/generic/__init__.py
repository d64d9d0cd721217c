"""Operations that nobody wrote by hand: rows and answers made from the published schemas, changed as clients say."""
