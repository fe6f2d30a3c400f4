-- The books as their owner keeps them.
select isbn10, format, language, price from read_books()
