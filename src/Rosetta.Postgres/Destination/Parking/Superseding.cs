using System.Globalization;
using Rosetta.Core.Chunks;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Options;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Copies;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Parking;

/// <summary>
/// Parked changes that a chunk has made pointless: of a key that the chunk tells everything of, and that no transaction has changed since which its snapshot does not
/// show, all that is parked is older than the chunk. They stop being parked in the chunk's own transaction. Keys that an update has joined go together: a chunk that tells
/// of some of them only leaves all of theirs, as what moves a row from one to the other is still needed.
/// </summary>
/// <param name="lot">Null where nothing is ever parked.</param>
sealed class Superseding(ChunkedCopy copy, CopyTarget target, PositionRow row, ParkingLot? lot)
{
    readonly TableName _table = copy.Route.Source;

    // Updates that are ignored leave a row as it is, also one whose change is parked.
    readonly bool _fits = copy.Purpose != ChunkPurpose.Compare && (copy.Route.Options.Ignore & IgnoredChanges.Update) == 0;

    List<byte[]> _gone = [];
    bool _nothingLeft;

    /// <summary>Something of the table is parked that a chunk may make pointless. Asked between two groups.</summary>
    public bool IsNeeded => _fits && lot?.Of(_table) is not null;

    /// <summary>Parked keys with their columns under their own names, as <c>k</c>, from FROM on.</summary>
    public string Keys =>
        $"""
        (SELECT DISTINCT k.bytes, {string.Join(", ", copy.Table.Key.Select((c, i) => string.Create(CultureInfo.InvariantCulture, $"(k.key)[{i + 1}]::{target.Table.Find(c)!.TypeSql} AS {SqlIdentifier.Quote(c)}")))}
           FROM rosetta.parked p CROSS JOIN LATERAL (VALUES (p.key_bytes, p.key), (p.moved_to_bytes, p.moved_to)) k (bytes, key)
          WHERE {Own} AND k.bytes IS NOT NULL) k
        """;

    /// <summary>A key's column in <see cref="Keys"/>.</summary>
    public static string Key(string column) => $"k.{SqlIdentifier.Quote(column)}";

    string Own => $"{row.KeySql} AND {StoredTables.Named(_table)}";

    /// <summary>Takes out what is parked of keys that the chunk under way tells everything of. Its transaction waits for the disk then: payloads go once it is committed.</summary>
    /// <param name="told">Conditions on <c>k</c>, one of which holds for a key that the chunk tells all of.</param>
    /// <returns>How many changes.</returns>
    public async ValueTask<long> RunAsync(PgConnection connection, IReadOnlyList<string> told, CancellationToken cancellationToken)
    {
        (_gone, _nothingLeft) = ([], false);
        if (!IsNeeded)
            return 0;
        var taken = await connection.QueryAsync($"SET LOCAL enable_hashjoin = on; {TakeSql(told)}", cancellationToken);
        if (taken.RowCount == 0)
            return 0;
        for (var i = 0; i < taken.Rows.Count; i++)
            _gone.AddRange(new[] { taken.Text(i, 0), taken.Text(i, 1) }.OfType<string>().Select(Convert.FromHexString));
        var left = await connection.QueryAsync($"SET LOCAL synchronous_commit = on; SELECT FROM rosetta.parked WHERE {Own} LIMIT 1", cancellationToken);
        _nothingLeft = left.RowCount == 0;
        Failpoint.Hit(FailpointNames.ChunkSuperseded);
        return taken.RowCount;
    }

    /// <summary>The chunk's transaction is committed: nothing waits behind those keys any more.</summary>
    public void Committed()
    {
        if (_gone.Count > 0)
            lot!.Superseded(_table, _gone, _nothingLeft);
        RolledBack();
    }

    /// <summary>The chunk's transaction is rolled back.</summary>
    public void RolledBack() => _gone = [];

    // A change that is parked without its key may be one of any.
    string TakeSql(IReadOnlyList<string> told) =>
        $"""
        WITH RECURSIVE k AS MATERIALIZED (SELECT * FROM {Keys}),
             told AS MATERIALIZED ({string.Join(" UNION ", told.Select(t => $"SELECT k.bytes FROM k WHERE {t}"))}),
             joined (one, other) AS MATERIALIZED (
                 SELECT key_bytes, moved_to_bytes FROM rosetta.parked WHERE {Own} AND moved_to_bytes IS NOT NULL
                 UNION ALL SELECT moved_to_bytes, key_bytes FROM rosetta.parked WHERE {Own} AND moved_to_bytes IS NOT NULL),
             held (bytes) AS (
                 SELECT j.one FROM joined j WHERE j.other NOT IN (SELECT bytes FROM told)
                 UNION SELECT j.one FROM joined j JOIN held h ON h.bytes = j.other)
        DELETE FROM rosetta.parked
         WHERE {Own} AND key_bytes IN (SELECT bytes FROM told EXCEPT SELECT bytes FROM held) AND NOT EXISTS (SELECT FROM rosetta.parked WHERE {Own} AND key_bytes IS NULL)
        RETURNING encode(key_bytes, 'hex'), encode(moved_to_bytes, 'hex')
        """;
}
