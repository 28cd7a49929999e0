"""Run by Alembic: migrates the connection that ``api/store/migrate.py`` hands over, in one transaction."""

from alembic import context

from api.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
