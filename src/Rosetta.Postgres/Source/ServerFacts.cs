using System.Text.Json;
using System.Text.Json.Serialization;
using Npgsql;
using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Source;

/// <summary>What the preflight needs to know about a server and our role on it.</summary>
sealed record ServerFacts(
    int Version, bool InRecovery, string User, string Database, string Encoding, string WalLevel,
    int MaxSlots, int UsedSlots, int MaxSenders, int UsedSenders, bool MayReplicate, bool MayCreate,
    bool SlotExists, int? SlotPid, long SlotWalKeepMb, long SenderTimeoutMs, long SlotIdleTimeoutSeconds,
    IReadOnlyList<OpenTransaction> Transactions, IReadOnlyList<PreparedTransaction> Prepared)
{
    static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, NumberHandling = JsonNumberHandling.AllowReadingFromString };

    public static async Task<ServerFacts> ReadAsync(NpgsqlConnection connection, string slotName, TimeSpan longTransaction, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(Sql(slotName, longTransaction), connection);
        var json = (string?)await command.ExecuteScalarAsync(cancellationToken);
        return JsonSerializer.Deserialize<ServerFacts>(json!, Json)!;
    }

    // Only a transaction with an xid holds up the making of a slot (SnapBuildWaitSnapshot), in whatever database it is.
    static string Sql(string slotName, TimeSpan longTransaction) => FormattableString.Invariant($"""
        SELECT json_build_object(
          'version', current_setting('server_version_num')::int, 'in_recovery', pg_is_in_recovery(), 'user', current_user,
          'database', current_database(), 'encoding', current_setting('server_encoding'), 'wal_level', current_setting('wal_level'),
          'max_slots', current_setting('max_replication_slots')::int, 'used_slots', (SELECT count(*) FROM pg_replication_slots),
          'max_senders', current_setting('max_wal_senders')::int, 'used_senders', (SELECT count(*) FROM pg_stat_replication),
          'may_replicate', (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user)
            OR EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication' AND pg_has_role(oid, 'MEMBER')),
          'may_create', has_database_privilege(current_database(), 'CREATE'),
          'slot_exists', EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = {SqlIdentifier.Literal(slotName)}),
          'slot_pid', (SELECT active_pid FROM pg_replication_slots WHERE slot_name = {SqlIdentifier.Literal(slotName)}),
          'slot_wal_keep_mb', (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
          'sender_timeout_ms', (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_sender_timeout'),
          'slot_idle_timeout_seconds', coalesce((SELECT setting::bigint * CASE unit WHEN 'min' THEN 60 WHEN 'ms' THEN 0.001 ELSE 1 END
            FROM pg_settings WHERE name = 'idle_replication_slot_timeout'), 0)::bigint,
          'transactions', coalesce((SELECT json_agg(json_build_object(
              'pid', pid, 'user', usename, 'application', application_name, 'state', state,
              'age_seconds', extract(epoch FROM clock_timestamp() - xact_start)::bigint, 'query', left(query, 200)) ORDER BY xact_start)
            FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()
              AND clock_timestamp() - xact_start >= make_interval(secs => {longTransaction.TotalSeconds})), '[]'),
          'prepared', coalesce((SELECT json_agg(json_build_object(
              'gid', gid, 'database', database, 'owner', owner, 'age_seconds', extract(epoch FROM clock_timestamp() - prepared)::bigint) ORDER BY prepared)
            FROM pg_prepared_xacts WHERE clock_timestamp() - prepared >= make_interval(secs => {longTransaction.TotalSeconds})), '[]')
        )::text
        """);
}

sealed record OpenTransaction(int Pid, string? User, string? Application, string? State, long? AgeSeconds, string? Query);

sealed record PreparedTransaction(string Gid, string Database, string Owner, long AgeSeconds);
