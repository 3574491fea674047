using System.Buffers;
using Rosetta.Core.Changes;
using Rosetta.Core.Chunks;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Destination.Apply;
using Rosetta.Postgres.Destination.Copies;
using Rosetta.Postgres.Destination.Fencing;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Parking;

/// <summary>
/// Parks staged rows of a chunk between two groups, as inserts right before the next change that can come. Such a place is of no change, and is never taken twice: its
/// ordinal is the time. So a payload that a crash left is nobody else's, and one that is being taken out is not the next one's.
/// </summary>
/// <param name="position">Up to where changes have been applied.</param>
/// <param name="parked">Told how many there were, with the SQLSTATE of the first, once that is committed.</param>
sealed class RowParking(
    ChunkedCopy copy, CopyTarget target, ChunkStatements sql, PositionRow row, bool replicaRole, ParkingLot lot, IParking parking, Func<Lsn> position, Action<int, string?> parked)
{
    readonly List<ParkedEntry> _entries = [];
    long _last;

    /// <summary>Records them in the transaction that is open. Their payloads are durable when it returns.</summary>
    /// <param name="only">A condition on <c>s</c>, which is a staged row.</param>
    /// <param name="failures">What they met, in the order in which they are staged.</param>
    /// <param name="rows">How many rows there were.</param>
    /// <param name="at">The position that the rows are of.</param>
    /// <exception cref="FaultException">They are too many to be a matter of single rows.</exception>
    public async ValueTask RecordAsync(PgConnection connection, string only, IReadOnlyList<DeadLetterFailure> failures, int rows, Lsn at, CancellationToken cancellationToken)
    {
        for (var i = 1; i <= failures.Count; i++)
        {
            if (lot.Judge(copy.Route.Source, i, rows) is { } why)
                throw new FaultException(new Fault(ErrorClass.Data, $"{failures[i - 1].Error} ({why})", null));
        }

        using var source = new RowSource();
        var relation = Relation();
        var (key, isPrimary) = ApplyModes.KeyOf(relation, target.Table);
        using var plan = TablePlan.Create(
            relation, copy.Route.Source, target.Table, ColumnBinding.Of(relation, target.Table, null, key).Columns, key, isPrimary, replicaRole, source, copy.Route.Options);
        var found = await ReadAsync(connection, sql.SelectAsStreamed(at, only), cancellationToken);
        var now = TimeProvider.System.GetUtcNow();
        var commit = new Lsn(position().Value - 1);
        for (var i = 0; i < failures.Count; i++)
        {
            var time = (now - TransactionSpan.Epoch).Ticks / TimeSpan.TicksPerMicrosecond;
            _last = Math.Max(_last + 1, time);
            var tuple = Tuple(found.Rows[i], relation);
            _entries.Add(new ParkedEntry(
                plan, new Position(commit, _last), 0, time, ChangeKind.Insert, new ParkedChange(relation, ChangeKind.Insert, ChangeFlags.None, default, tuple).Encode(),
                KeyOf(plan, tuple), null, failures[i]));
        }

        using var flight = new Flight(connection);
        var keys = await ParkedSql.RecordAsync(flight, row, _entries, cancellationToken);
        Failpoint.Hit(FailpointNames.RefusedRecorded);
        await parking.ParkAsync([.. _entries.Select((e, i) => new DeadLetter(copy.Route.Source, e.At, e.Xid, e.CommitTime, e.Kind, keys[i], e.Payload, e.Failure, now))], cancellationToken);
        Failpoint.Hit(FailpointNames.RefusedStored);
    }

    /// <summary>The transaction is committed: later changes of those keys wait.</summary>
    public void Committed()
    {
        if (_entries.Count == 0)
            return;
        foreach (var entry in _entries)
            lot.Load(copy.Route.Source, entry.Key);
        lot.Loaded();
        parked(_entries.Count, _entries[0].Failure?.SqlState);
        RolledBack();
    }

    /// <summary>The transaction is rolled back.</summary>
    public void RolledBack() => _entries.Clear();

    /// <summary>The shape in which the stream brings the table's rows.</summary>
    Relation Relation()
    {
        var table = copy.Table.Table;
        var names = copy.Table.Columns.Concat(copy.Route.Options.ColumnNames);
        var identity = (ReplicaIdentity)table.ReplicaIdentity;
        return new Relation(table.Oid, table.Name.Schema, table.Name.Name, identity, [.. names.Select(n => table.Columns.First(c => c.Name == n)).Select(c =>
            new RelationColumn(c.Name, c.TypeOid, c.TypeModifier, copy.Table.Columns.Contains(c.Name) && (identity == ReplicaIdentity.Full || table.IdentityColumns.Contains(c.Name))))]);
    }

    static async ValueTask<PgResult> ReadAsync(PgConnection connection, string select, CancellationToken cancellationToken)
    {
        using var pipeline = connection.CreatePipeline();
        pipeline.Prepare("", select);
        var operation = pipeline.Execute("", []);
        return (await pipeline.RunAsync(cancellationToken)).ThrowIfFailed()[operation];
    }

    byte[] Tuple(byte[]?[] values, Relation relation)
    {
        var tuple = new PooledBytes(2 + values.Sum(v => 5 + (v?.Length ?? 0)));
        tuple.WriteCount(values.Length);
        for (var i = 0; i < values.Length; i++)
        {
            var kind = values[i] is null ? ValueKind.Null
                : copy.Table.Table.Columns.First(c => c.Name == relation.Columns[i].Name).HasBinaryForm ? ValueKind.Binary : ValueKind.Text;
            tuple.WriteValue(kind, values[i]);
        }

        var bytes = tuple.Array.AsSpan(0, tuple.Length).ToArray();
        ArrayPool<byte>.Shared.Return(tuple.Array);
        return bytes;
    }

    /// <summary>Null: the destination does not tell keys apart by their bytes.</summary>
    static byte[]? KeyOf(TablePlan plan, byte[] tuple)
    {
        if (!plan.HasPlainKey)
            return null;
        var key = new byte[tuple.Length];
        return key[..Tuples.WriteKey(tuple, 0, -1, plan.Key, key)];
    }
}
