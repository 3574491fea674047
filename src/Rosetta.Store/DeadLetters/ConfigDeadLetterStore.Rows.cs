using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Store.Configuration;

namespace Rosetta.Store.DeadLetters;

/// <content>Entries as rows and as parameters.</content>
public sealed partial class ConfigDeadLetterStore
{
    const string Columns =
        "d.table_name, d.commit_lsn, d.ordinal, d.xid, d.commit_time, d.kind, d.key, d.payload, d.error_class, d.error, d.sqlstate, d.parked_at, d.tries, d.last_tried_at";

    static async Task<DeadLetter> ReadEntryAsync(NpgsqlDataReader row)
    {
        var failure = row.IsDBNull(8) ? null : new DeadLetterFailure(DeadLetterText.ReadClass(row.GetString(8)), row.GetString(9), Text(row, 10));
        return new DeadLetter(
            TableName.Parse(row.GetString(0)), new Position(new Lsn((ulong)row.GetFieldValue<NpgsqlLogSequenceNumber>(1)), row.GetInt64(2)),
            (uint)row.GetInt64(3), row.GetInt64(4), DeadLetterText.ReadKind(row.GetString(5)), JsonSerializer.Deserialize<string[]>(row.GetString(6))!,
            await row.GetFieldValueAsync<byte[]>(7).ConfigureAwait(false), failure, Time(row, 11))
        {
            Tries = row.GetInt32(12),
            LastTriedAt = row.IsDBNull(13) ? null : Time(row, 13),
        };
    }

    static string? Text(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    static DateTimeOffset Time(NpgsqlDataReader row, int column) => new(row.GetDateTime(column));

    static NpgsqlLogSequenceNumber Sql(Lsn lsn) => new(lsn.Value);

    static NpgsqlParameter Place(string name, Lsn lsn) => new(name, NpgsqlDbType.PgLsn) { Value = Sql(lsn) };

    internal static NpgsqlParameter Array<TItem, TValue>(string name, NpgsqlDbType type, IReadOnlyList<TItem> items, Func<TItem, TValue> value) =>
        new(name, NpgsqlDbType.Array | type) { Value = items.Select(value).ToArray() };

    // Npgsql knows pg_lsn, and no arrays of it.
    internal static NpgsqlParameter[] Places(IReadOnlyList<Position> at, string commits = "commits", string ordinals = "ordinals") =>
        [Array(commits, NpgsqlDbType.Text, at, p => p.Commit.ToString()), Array(ordinals, NpgsqlDbType.Bigint, at, p => p.Ordinal)];

    internal static NpgsqlParameter[] Failures(IReadOnlyList<DeadLetterFailure?> failures) =>
    [
        Array("classes", NpgsqlDbType.Text, failures, f => f is null ? null : DeadLetterText.Of(f.Class)),
        Array("errors", NpgsqlDbType.Text, failures, f => StoreTypes.Storable(f?.Error)),
        Array("states", NpgsqlDbType.Text, failures, f => f?.SqlState),
    ];
}
