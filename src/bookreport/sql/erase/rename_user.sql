-- Gives a user another id, and leaves their number.
update user_numbers set user_id = :other where user_id = :user
