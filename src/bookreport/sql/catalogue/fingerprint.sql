-- How many books there are, and the sum of their digests; reads each book once, as its owner wrote it.
select books, digest from books_state()
