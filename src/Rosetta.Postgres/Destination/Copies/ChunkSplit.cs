using System.Buffers.Binary;
using System.Globalization;
using Rosetta.Core.Changes;
using Rosetta.Core.Chunks;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Copies;

/// <summary>Tells the rows of a held chunk apart: those whose key the lane has changed since, those that the table has, and those it lacks. Keys are compared by their bytes.</summary>
sealed class ChunkSplit : IDisposable
{
    readonly ChunkedCopy _copy;
    readonly IReadOnlyList<string> _names;
    readonly int[] _columns;
    readonly IReadOnlyList<byte[]> _changed;
    readonly KeyIndex _changedKeys = new();
    readonly List<int> _changedAt = [];
    readonly KeyIndex _existing = new();

    ChunkSplit(ChunkedCopy copy, IReadOnlyList<string> names, IReadOnlyList<byte[]> changed)
    {
        _copy = copy;
        _names = names;
        _columns = [.. names.Select(n => copy.Table.Columns.ToList().IndexOf(n))];
        _changed = changed;
    }

    /// <summary>The chunk's bytes by what becomes of its rows, each a whole COPY with header and trailer.</summary>
    /// <param name="Existing">Empty when there is none.</param>
    /// <param name="Partial">Keys of rows that a change has met which left out unchanged values; from <see cref="KeyWindow.RowOf"/>.</param>
    public sealed record Parts(IReadOnlyList<Range> Missing, IReadOnlyList<Range> Existing, IReadOnlyList<byte[]> Partial);

    /// <param name="changed">From <see cref="KeyWindow.RowOf"/>.</param>
    /// <param name="plan">Of the changed keys; not looked at without any.</param>
    /// <returns>Null: the changed keys came in another form than the rows.</returns>
    public static ChunkSplit? Of(ChunkedCopy copy, IReadOnlyList<byte[]> changed, Func<TablePlan> plan)
    {
        if (changed.Count == 0)
            return new ChunkSplit(copy, copy.Table.Key, changed);
        var key = plan().Columns.Where(c => c.IsKey).ToList();
        if (key.Exists(c => c.NeedsCast))
            return null;
        var split = new ChunkSplit(copy, [.. key.Select(c => c.Target.Name)], changed);
        if (split.TryTake(key.Count))
            return split;
        split.Dispose();
        return null;
    }

    bool TryTake(int columns)
    {
        var key = new byte[64];
        for (var i = 0; i < _changed.Count; i++)
        {
            // Kind, length and bytes of each column, then those of the flag.
            ReadOnlySpan<byte> row = _changed[i];
            var length = 0;
            for (var column = 0; column < columns; column++)
            {
                if ((ValueKind)row[0] != ValueKind.Binary)
                    return false;
                var size = 4 + BinaryPrimitives.ReadInt32BigEndian(row[1..]);
                if (length + size > key.Length)
                    Array.Resize(ref key, (length + size) * 2);
                row.Slice(1, size).CopyTo(key.AsSpan(length));
                length += size;
                row = row[(1 + size)..];
            }

            // Of a key's changes one that left out values counts, if there is one.
            var number = _changedKeys.FindOrAdd(key.AsSpan(0, length), out var added);
            if (added)
                _changedAt.Add(i);
            else if (row[^1] != 0)
                _changedAt[number] = i;
        }

        return true;
    }

    /// <summary>Reads the keys that the table has in the chunk's range.</summary>
    /// <returns>False: they are more than <paramref name="most"/>.</returns>
    public async ValueTask<bool> FindExistingAsync(PgConnection connection, CopyTarget target, ChunkRange range, long most, CancellationToken cancellationToken)
    {
        var keys = string.Join(", ", _names.Select(ChunkStatements.Own));
        await using var copy = await connection.CopyOutAsync(
            $"COPY (SELECT {keys} FROM {target.Table.OnlySql} t WHERE {ChunkSql.Range(_copy.Table.Table, range, "t.")} LIMIT {(most + 1).ToString(CultureInfo.InvariantCulture)}) TO STDOUT (FORMAT binary)",
            cancellationToken);
        var isFirst = true;
        while (await copy.ReadAsync(cancellationToken: cancellationToken) is { } piece)
        {
            using (piece)
                Take(piece.Memory.Span, isFirst);
            isFirst = false;
        }

        return _existing.Count <= most;
    }

    // A piece has whole rows; only the first begins with the header.
    void Take(ReadOnlySpan<byte> piece, bool isFirst)
    {
        var at = isFirst ? BinaryRows.HeaderOf(piece) : 0;
        while (at < piece.Length && BinaryPrimitives.ReadInt16BigEndian(piece[at..]) >= 0)
        {
            var from = at += 2;
            foreach (var _ in _names)
                at += 4 + BinaryPrimitives.ReadInt32BigEndian(piece[at..]);
            _existing.FindOrAdd(piece[from..at], out _);
        }
    }

    /// <param name="takesExisting">Rows that the table has are wanted too.</param>
    public Parts Divide(ReadOnlySpan<byte> bytes, bool takesExisting)
    {
        var header = BinaryRows.HeaderOf(bytes);
        if (_changedKeys.Count == 0 && _existing.Count == 0)
            return new Parts([Range.All], [], []);
        var (missing, existing, partial) = (new List<Range> { ..header }, new List<Range> { ..header }, new HashSet<int>());
        var rows = new BinaryRows(bytes, _columns);
        while (rows.Next())
        {
            if (_changedKeys.Find(rows.Key) is >= 0 and var number)
            {
                if (_changed[_changedAt[number]][^1] != 0)
                    partial.Add(_changedAt[number]);
            }
            else if (_existing.Find(rows.Key) < 0)
            {
                Extend(missing, rows.Start, rows.End);
            }
            else if (takesExisting)
            {
                Extend(existing, rows.Start, rows.End);
            }
        }

        var hasExisting = existing.Count > 1 || existing[0].End.Value > header;
        Extend(missing, rows.End, bytes.Length);
        Extend(existing, rows.End, bytes.Length);
        return new Parts(missing, hasExisting ? existing : [], [.. partial.Select(n => _changed[n])]);
    }

    public void Dispose()
    {
        _changedKeys.Dispose();
        _existing.Dispose();
    }

    static void Extend(List<Range> runs, int from, int to)
    {
        if (runs[^1].End.Value == from)
            runs[^1] = runs[^1].Start..to;
        else
            runs.Add(from..to);
    }
}
