using System.Globalization;
using System.Text.Json;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Apply;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Statements;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Parking;

/// <summary>The SQL of <c>rosetta.parked</c>.</summary>
static class ParkedSql
{
    /// <summary>Tells the lot which keys are parked.</summary>
    /// <param name="only">Of this table; null: of all.</param>
    public static async ValueTask LoadAsync(PgConnection connection, PositionRow row, ParkingLot lot, TableName? only, CancellationToken cancellationToken)
    {
        var found = await connection.QueryAsync(
            $"""
            SELECT DISTINCT p.source_schema, p.source_table, encode(k.bytes, 'hex')
              FROM rosetta.parked p CROSS JOIN LATERAL (VALUES (p.key_bytes), (p.moved_to_bytes)) k (bytes)
             WHERE {row.KeySql}{(only is { } table ? $" AND {StoredTables.Named(table)}" : "")} AND (k.bytes IS NOT NULL OR p.key_bytes IS NULL)
            """, cancellationToken);
        for (var i = 0; i < found.Rows.Count; i++)
            lot.Load(new TableName(found.RequiredText(i, 0), found.RequiredText(i, 1)), found.Text(i, 2) is { } hex ? Convert.FromHexString(hex) : null);
        lot.Loaded();
    }

    /// <summary>How many entries there are, and since when.</summary>
    public static async ValueTask<ParkedCount> CountAsync(PgConnection connection, PositionRow row, CancellationToken cancellationToken)
    {
        // Microseconds since 1970: exact, and the same whatever the session's settings.
        var found = await connection.QueryAsync(
            $"SELECT count(*), (extract(epoch FROM min(parked_at)) * 1000000)::bigint FROM rosetta.parked WHERE {row.KeySql}", cancellationToken);
        return new ParkedCount(found.Int64(0, 0), found.Text(0, 1) is null ? null : DateTimeOffset.UnixEpoch.AddMicroseconds(found.Int64(0, 1)));
    }

    /// <summary>Entries of a table in order.</summary>
    public static async ValueTask<IReadOnlyList<(Position At, string? Key, string? MovedTo)>> ListAsync(
        PgConnection connection, PositionRow row, TableName table, int? most, CancellationToken cancellationToken)
    {
        var limit = most is { } number ? string.Create(CultureInfo.InvariantCulture, $" LIMIT {number}") : "";
        var found = await connection.QueryAsync(
            $"SELECT commit_lsn, ordinal, encode(key_bytes, 'hex'), encode(moved_to_bytes, 'hex') FROM rosetta.parked WHERE {row.KeySql} AND {StoredTables.Named(table)} ORDER BY commit_lsn, ordinal{limit}", cancellationToken);
        return [.. Enumerable.Range(0, found.Rows.Count).Select(i => (new Position(Lsn.Parse(found.RequiredText(i, 0)), found.Int64(i, 1)), found.Text(i, 2), found.Text(i, 3)))];
    }

    /// <summary>Takes entries out; returns those that were there.</summary>
    public static string TakeSql(PositionRow row, TableName table, IReadOnlyList<Position> at) => $"DELETE FROM {Some(row, table, at)} RETURNING commit_lsn, ordinal";

    /// <summary>Those of some entries that are there.</summary>
    public static string FindSql(PositionRow row, TableName table, IReadOnlyList<Position> at) => $"SELECT commit_lsn, ordinal FROM {Some(row, table, at)}";

    public static IReadOnlyList<Position> Positions(PgResult found) =>
        [.. Enumerable.Range(0, found.Rows.Count).Select(i => new Position(Lsn.Parse(found.RequiredText(i, 0)), found.Int64(i, 1)))];

    static string Some(PositionRow row, TableName table, IReadOnlyList<Position> at)
    {
        var places = at.Select(p => string.Create(CultureInfo.InvariantCulture, $"('{p.Commit}'::pg_lsn, {p.Ordinal}::bigint)"));
        return $"rosetta.parked WHERE {row.KeySql} AND {StoredTables.Named(table)} AND (commit_lsn, ordinal) IN ({string.Join(", ", places)})";
    }

    public static string EmptySql(PositionRow row, TableName table) => $"DELETE FROM rosetta.parked WHERE {row.KeySql} AND {StoredTables.Named(table)}";

    /// <summary>Records entries; returns their keys as text, which the server alone can make of every type.</summary>
    public static async ValueTask<IReadOnlyList<IReadOnlyList<string>>> RecordAsync(Flight flight, PositionRow row, IReadOnlyList<ParkedEntry> entries, CancellationToken cancellationToken)
    {
        flight.Clear();
        var operations = new int[entries.Count];
        for (var i = 0; i < entries.Count; i++)
        {
            var entry = entries[i];
            var plan = entry.Plan;
            // A key is its bytes and its columns.
            var ofKey = 1 + plan.Key.Length;
            var parameters = 3 + (entry.Key is null ? 0 : ofKey) + (entry.MovedTo is null ? 0 : ofKey);
            var bind = flight.Execute(plan.Statements.Park(row, entry.Key is not null, entry.MovedTo is not null), parameters, new Step(0, plan, StepKind.Plain));
            operations[i] = flight.Steps[^1].Operation;
            bind.WriteInt64((long)entry.At.Commit.Value);
            bind.WriteInt64(entry.At.Ordinal);
            bind.WriteBinary([entry.Failure is null ? (byte)0 : (byte)1]);
            if (entry.Key is { } key)
            {
                bind.WriteBinary(key);
                BindRows.WriteKey(bind, key);
            }

            if (entry.MovedTo is { } movedTo)
            {
                bind.WriteBinary(movedTo);
                BindRows.WriteKey(bind, movedTo);
            }

            bind.Complete();
        }

        var results = await flight.RunAsync(cancellationToken);
        if (results.FirstFailed is >= 0 and var failed)
            throw new PgServerException(results[failed].Error!.Error, results[failed].Error!);
        return [.. operations.Select(o => results[o].Text(0, 0) is { } json ? JsonSerializer.Deserialize<string[]>(json)! : (IReadOnlyList<string>)[])];
    }
}
