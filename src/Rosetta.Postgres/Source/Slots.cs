using System.Globalization;
using System.Text.Json;
using Npgsql;
using Rosetta.Core.Errors;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Replication;

namespace Rosetta.Postgres.Source;

/// <summary>Reads slots and the cluster's identity, drops a slot of ours, and ends the sessions of our older incarnations.</summary>
public sealed class Slots(SourceDatabase database, TimeProvider? time = null)
{
    static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    const string SlotsSql = """
        SELECT (to_jsonb(s) || jsonb_build_object('retained', CASE WHEN s.restart_lsn IS NULL THEN 0 ELSE greatest(0, pg_wal_lsn_diff(
          CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, s.restart_lsn)) END))::text
        FROM pg_replication_slots s
        """;

    // pg_walfile_name knows the timeline that is written to; the control file only that of the last checkpoint.
    const string IdentitySql = """
        SELECT (SELECT system_identifier::text FROM pg_control_system()), r.in_recovery,
          CASE WHEN r.in_recovery THEN (SELECT timeline_id FROM pg_control_checkpoint())
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
          (CASE WHEN r.in_recovery THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text,
          current_setting('server_version_num')::int
        FROM (SELECT pg_is_in_recovery() AS in_recovery) r
        """;

    readonly TimeProvider _time = time ?? TimeProvider.System;

    /// <summary>The slot of that name, null when there is none.</summary>
    public async Task<SlotFacts?> FindAsync(string slotName, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        var found = await ReadAsync(connection, $"{SlotsSql} WHERE slot_name = {SqlIdentifier.Literal(slotName)}", cancellationToken);
        return found.Count == 0 ? null : found[0];
    }

    /// <summary>All slots of the cluster.</summary>
    public async Task<IReadOnlyList<SlotFacts>> ListAsync(CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        return await ReadAsync(connection, SlotsSql, cancellationToken);
    }

    /// <summary>Which cluster this is.</summary>
    /// <param name="recordedTimeline">When the cluster has left that timeline, its history is read too (over a walsender).</param>
    public async Task<SourceIdentity> IdentifyAsync(int? recordedTimeline, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        await using var command = new NpgsqlCommand(IdentitySql, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        var identity = new SourceIdentity(
            reader.GetString(0), reader.GetInt32(2), Lsn.Parse(reader.GetString(3)), reader.GetBoolean(1), reader.GetInt32(4), []);
        return recordedTimeline is { } recorded && identity.Timeline > recorded
            ? identity with { History = await ReadHistoryAsync(identity.Timeline, cancellationToken) }
            : identity;
    }

    /// <summary>Drops a slot that is recorded as ours. A walsender of ours that still has it is ended first.</summary>
    /// <param name="sessions">What our sessions' names begin with (<see cref="SessionName.PrefixOf"/>).</param>
    /// <returns>False when there was none.</returns>
    /// <exception cref="FaultException">Somebody else uses it, or it did not become free.</exception>
    public async Task<bool> DropAsync(string slotName, string sessions, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        var started = _time.GetTimestamp();
        while (true)
        {
            try
            {
                await using var drop = Command(connection, "SELECT pg_drop_replication_slot($1)", slotName);
                await drop.ExecuteNonQueryAsync(cancellationToken);
                return true;
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.UndefinedObject)
            {
                return false;
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ObjectInUse)
            {
                if (_time.GetElapsedTime(started) > Deadline)
                    throw InUse(slotName, e);
            }

            await using (var end = Command(
                connection,
                """
                SELECT a.pid, a.application_name, starts_with(a.application_name, $2) AND pg_terminate_backend(a.pid)
                FROM pg_replication_slots s JOIN pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = $1
                """,
                slotName, sessions))
            {
                await using var reader = await end.ExecuteReaderAsync(cancellationToken);
                if (await reader.ReadAsync(cancellationToken) && !reader.GetBoolean(2))
                {
                    throw InUse(slotName, null, $"process {reader.GetInt32(0)} ({await reader.GetFieldValueAsync<string?>(1, cancellationToken)})");
                }
            }

            await Task.Delay(Pause, _time, cancellationToken);
        }
    }

    /// <summary>
    /// Ends every session at the source that an older incarnation of the pipeline has, walsenders and snapshots included, and waits until they
    /// are gone. A frozen node would otherwise keep slots and snapshots for ever.
    /// </summary>
    /// <param name="self">Sessions of a lower epoch than its are ended.</param>
    /// <returns>How many there were.</returns>
    /// <exception cref="FaultException">Some were still there after 30 s.</exception>
    public async Task<int> TerminateOlderAsync(SessionName self, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        var pattern = $"^{SessionName.PrefixOf(self.Installation, self.PipelineId)}e([0-9]+)(/|$)";
        var seen = new HashSet<int>();
        var started = _time.GetTimestamp();
        while (true)
        {
            var alive = 0;
            await using (var command = Command(
                connection,
                """
                SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE pid <> pg_backend_pid() AND substring(application_name FROM $1)::bigint < $2::bigint
                """,
                pattern, self.Epoch.ToString(CultureInfo.InvariantCulture)))
            {
                await using var reader = await command.ExecuteReaderAsync(cancellationToken);
                while (await reader.ReadAsync(cancellationToken))
                {
                    alive++;
                    seen.Add(reader.GetInt32(0));
                }
            }

            if (alive == 0)
                return seen.Count;
            if (_time.GetElapsedTime(started) > Deadline)
            {
                throw new FaultException(new Fault(
                    ErrorClass.Transient, $"{alive} sessions of an older incarnation at the source did not end within {Deadline.TotalSeconds} s.", null));
            }

            await Task.Delay(Pause, _time, cancellationToken);
        }
    }

    async Task<IReadOnlyList<TimelineEnd>> ReadHistoryAsync(int timeline, CancellationToken cancellationToken)
    {
        await using var walsender = await ReplicationConnection.OpenAsync(database.Endpoint, cancellationToken: cancellationToken);
        var file = await walsender.QueryAsync(string.Create(CultureInfo.InvariantCulture, $"TIMELINE_HISTORY {timeline}"), cancellationToken);
        return ParseHistory(file.RequiredText(0, 1));
    }

    /// <summary>Reads a timeline history file: a line <c>timeline TAB lsn TAB reason</c> per earlier timeline, oldest first.</summary>
    internal static IReadOnlyList<TimelineEnd> ParseHistory(string content)
    {
        var ends = new List<TimelineEnd>();
        foreach (var line in content.Split('\n'))
        {
            var parts = line.Split((char[]?)null, 3, StringSplitOptions.RemoveEmptyEntries);
            if (parts.Length >= 2 && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var timeline) && Lsn.TryParse(parts[1], out var at))
                ends.Add(new TimelineEnd(timeline, at));
        }

        return ends;
    }

    static FaultException InUse(string slotName, Exception? cause, string? by = null) => new(
        new Fault(
            ErrorClass.Transient, $"Replication slot {slotName} is in use{(by is null ? "" : $" by {by}")}.",
            $"See who uses it: SELECT * FROM pg_stat_replication; end that session, then it is dropped.", PostgresErrorCodes.ObjectInUse),
        cause);

    static async Task<IReadOnlyList<SlotFacts>> ReadAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var slots = new List<SlotFacts>();
        while (await reader.ReadAsync(cancellationToken))
            slots.Add(Parse(reader.GetString(0)));
        return slots;
    }

    // The view has more columns in newer versions; what is not there is null.
    static SlotFacts Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        var row = document.RootElement;
        return new SlotFacts(
            Text(row, "slot_name")!, Text(row, "plugin"), Text(row, "database"), Flag(row, "temporary"), Flag(row, "two_phase"),
            (int?)Number(row, "active_pid"), Position(row, "confirmed_flush_lsn"), Position(row, "restart_lsn"), Text(row, "wal_status"),
            Text(row, "invalidation_reason") ?? (Flag(row, "conflicting") ? "conflicting" : null), Number(row, "safe_wal_size"), Number(row, "retained") ?? 0);
    }

    static string? Text(JsonElement row, string name) => row.TryGetProperty(name, out var value) ? value.GetString() : null;

    static bool Flag(JsonElement row, string name) => row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    static long? Number(JsonElement row, string name) =>
        row.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetInt64() : null;

    static Lsn? Position(JsonElement row, string name) => Text(row, name) is { } text ? Lsn.Parse(text) : null;

    static NpgsqlCommand Command(NpgsqlConnection connection, string sql, params string[] arguments)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (var argument in arguments)
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = argument });
        return command;
    }
}
