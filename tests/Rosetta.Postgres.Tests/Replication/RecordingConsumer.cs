using System.Buffers.Binary;
using System.Text;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Testing.Waiting;

namespace Rosetta.Postgres.Tests.Replication;

/// <summary>Writes down what comes, one line per change, and checks what must always hold.</summary>
sealed class RecordingConsumer : IChangeConsumer
{
    readonly Lock _gate = new();
    readonly List<string> _lines = [];
    readonly List<TransactionSpan> _spans = [];
    readonly List<Relation> _relations = [];
    Lsn _deliveredUpTo;
    int _batches;
    TransactionSpan? _open;

    /// <summary>Runs before each batch is taken.</summary>
    public Func<ChangeBatch, CancellationToken, ValueTask>? Before { get; init; }

    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_gate)
                return [.. _lines];
        }
    }

    public IReadOnlyList<TransactionSpan> Spans
    {
        get
        {
            lock (_gate)
                return [.. _spans];
        }
    }

    /// <summary>The relation of every change.</summary>
    public IReadOnlyList<Relation> Relations
    {
        get
        {
            lock (_gate)
                return [.. _relations];
        }
    }

    public int Batches
    {
        get
        {
            lock (_gate)
                return _batches;
        }
    }

    public Lsn DeliveredUpTo
    {
        get
        {
            lock (_gate)
                return _deliveredUpTo;
        }
    }

    public int Commits => Spans.Count(s => s.EndsHere);

    public Task UntilCommitsAsync(int count) => Wait.UntilAsync(() => Commits >= count, $"{count} transactions to arrive");

    public Task UntilDeliveredAsync(Lsn lsn) => Wait.UntilAsync(() => DeliveredUpTo >= lsn, $"everything before {lsn} to arrive");

    public async ValueTask ConsumeAsync(ChangeBatch batch, CancellationToken cancellationToken)
    {
        if (Before is not null)
            await Before(batch, cancellationToken);
        lock (_gate)
            Record(batch);
    }

    void Record(ChangeBatch batch)
    {
        _batches++;
        if (batch.DeliveredUpTo < _deliveredUpTo)
            throw new InvalidOperationException($"Delivered went back from {_deliveredUpTo} to {batch.DeliveredUpTo}.");
        _deliveredUpTo = batch.DeliveredUpTo;
        int next = 0;
        foreach (TransactionSpan span in batch.Transactions)
        {
            CheckContinuity(span);
            if (span.First != next)
                throw new InvalidOperationException("Spans do not follow each other.");
            _spans.Add(span);
            foreach (Change change in batch.Changes.Slice(span.First, span.Count))
            {
                Relation relation = batch.Relations[change.Relation];
                _relations.Add(relation);
                _lines.Add(Describe(batch.Bytes, change, relation));
            }

            next += span.Count;
        }

        if (next != batch.Changes.Length)
            throw new InvalidOperationException("Changes outside of every span.");
    }

    void CheckContinuity(TransactionSpan span)
    {
        if (span.StartsHere ? _open is not null || span.FirstOrdinal != 0
            : _open is not { } open || open.CommitLsn != span.CommitLsn || open.FirstOrdinal + open.Count != span.FirstOrdinal)
            throw new InvalidOperationException($"{span} does not continue {_open}.");
        _open = span.EndsHere ? null : span;
    }

    static string Describe(ReadOnlySpan<byte> bytes, Change change, Relation relation)
    {
        var line = new StringBuilder($"{change.Kind} {relation.Name}");
        if (change.Flags != ChangeFlags.None)
            line.Append($" [{change.Flags}]");
        if (change.HasOld)
            line.Append(" old").Append(Describe(bytes, change.Old, relation));
        if (change.HasNew)
            line.Append(" new").Append(Describe(bytes, change.New, relation));
        return line.ToString();
    }

    static string Describe(ReadOnlySpan<byte> bytes, int offset, Relation relation)
    {
        var values = new List<string>();
        var reader = new TupleReader(bytes, offset);
        while (reader.Read())
        {
            values.Add(reader.Kind switch
            {
                ValueKind.Null => "NULL",
                ValueKind.Unchanged => "~",
                ValueKind.Text => $"'{Encoding.UTF8.GetString(reader.Value)}'",
                _ => relation.Columns[reader.Column].TypeOid switch
                {
                    23 => BinaryPrimitives.ReadInt32BigEndian(reader.Value).ToString(),
                    20 => BinaryPrimitives.ReadInt64BigEndian(reader.Value).ToString(),
                    25 when reader.Value.Length > 100 => $"{reader.Value.Length} bytes",
                    25 => Encoding.UTF8.GetString(reader.Value),
                    _ => $"0x{Convert.ToHexStringLower(reader.Value)}",
                },
            });
        }

        return $"({string.Join(',', values)})";
    }
}
