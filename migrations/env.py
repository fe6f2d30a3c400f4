"""Alembic's environment: runs the migrations on the connection that `bookreport migrate` hands over."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection)
context.run_migrations()
