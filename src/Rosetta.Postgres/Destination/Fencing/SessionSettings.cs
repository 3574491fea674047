using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Fencing;

/// <summary>The settings of a session at a destination.</summary>
static class SessionSettings
{
    // - Durable means flushed: synchronous_commit.
    // - A node that hangs must not hold locks for ever: the timeouts (a large source transaction may pause for a while, hence minutes).
    // - Rows are found by key, a batch at a time, by a plan made once: no hash, merge or sequential plan, generic plans, and no JIT, which the
    //   cost of a disabled plan would call in.
    // - Rows that policies hide from us would be missed in silence: row_security.
    const string Common =
        """
        SET synchronous_commit = on; SET idle_in_transaction_session_timeout = '5min'; SET tcp_user_timeout = '30s'; SET tcp_keepalives_idle = '10s';
        SET tcp_keepalives_interval = '5s'; SET tcp_keepalives_count = 3; SET lock_timeout = '2min'; SET statement_timeout = 0; SET client_min_messages = error;
        SET client_connection_check_interval = '10s';
        SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off; SET default_transaction_deferrable = off;
        SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; SET jit = off; SET plan_cache_mode = force_generic_plan;
        SET DateStyle = 'ISO, MDY'; SET IntervalStyle = postgres; SET TimeZone = 'UTC'; SET extra_float_digits = 1; SET bytea_output = hex; SET xmloption = content;
        SET row_security = off; SET max_parallel_workers_per_gather = 0
        """;

    /// <returns>Whether the session got the replica role: no triggers, no foreign keys.</returns>
    public static async ValueTask<bool> ApplyAsync(PgConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            // One text is one transaction: refused, nothing of it holds.
            await connection.QueryAsync($"{Common}; SET session_replication_role = replica", cancellationToken);
            return true;
        }
        catch (PgServerException e) when (e.SqlState == "42501")
        {
            await connection.QueryAsync(Common, cancellationToken);
            return false;
        }
    }
}
