-- Whether the catalogue knows prices at all.
select exists (select from catalogue where price is not null) as has_prices
