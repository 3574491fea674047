using Rosetta.Core.Changes;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Core.Tests.Lanes;

/// <summary>
/// A destination that keeps the session's contract and remembers the source transactions it has, in order. What is applied is durable when
/// <see cref="IDestinationSession.ApplyAsync"/> returns from a group that ends at a boundary, and a session that is opened later goes on there.
/// </summary>
sealed class MemoryDestination
{
    readonly Lock _gate = new();
    readonly List<Applied> _durable = [];
    Lsn _position;

    /// <summary>A source transaction as it was applied: its changes are counted.</summary>
    public readonly record struct Applied(Lsn Commit, long Changes);

    public Lsn Position
    {
        get
        {
            lock (_gate)
                return _position;
        }
    }

    public IReadOnlyList<Applied> Durable
    {
        get
        {
            lock (_gate)
                return [.. _durable];
        }
    }

    /// <summary>Runs in each apply, before anything happens. May wait, may throw.</summary>
    public Func<ApplyGroup, CancellationToken, ValueTask>? Before { get; set; }

    /// <summary>Runs after a commit, before its answer: a throw here is an answer that was lost.</summary>
    public Action? AfterCommit { get; set; }

    public MemorySession Open() => new(this);

    void Commit(List<Applied> transactions, Lsn position)
    {
        lock (_gate)
        {
            _durable.AddRange(transactions);
            _position = Lsn.MaxOf(_position, position);
        }
    }

    internal sealed class MemorySession(MemoryDestination destination) : IDestinationSession
    {
        readonly List<Applied> _pending = [];
        Applied? _open;

        /// <summary>Per call: how many batches, and whether it ended inside a transaction.</summary>
        public List<(int Batches, bool Open)> Groups { get; } = [];

        public int Rollbacks { get; private set; }

        public Lsn Position => destination.Position;

        public IReadOnlyDictionary<TableName, DestinationTable> Tables { get; } = new Dictionary<TableName, DestinationTable>();

        public async ValueTask<ApplyResult> ApplyAsync(ApplyGroup group, CancellationToken cancellationToken)
        {
            Groups.Add((group.Batches.Count, group.IsOpenAtEnd));
            if (destination.Before is { } before)
                await before(group, cancellationToken);
            var last = default(TransactionSpan);
            foreach (var batch in group.Batches)
            {
                foreach (var span in batch.Transactions.ToArray())
                {
                    Take(batch, span);
                    last = span;
                }
            }

            if (group.IsOpenAtEnd)
                return new ApplyResult(null, Nothing, [], 0);
            if (_open is { } open)
                throw new InvalidOperationException($"A group that is to be committed lacks the end of transaction {open.Commit}.");
            destination.Commit(_pending, last.EndLsn);
            _pending.Clear();
            destination.AfterCommit?.Invoke();
            return new ApplyResult(destination.Position, Nothing, [], last.CommitTime);
        }

        void Take(ChangeBatch batch, TransactionSpan span)
        {
            if (span.CommitLsn < destination.Position)
                return;
            if (batch.Changes.Slice(span.First, span.Count).Length != span.Count)
                throw new InvalidOperationException($"Transaction {span.CommitLsn} reaches beyond its batch.");
            var known = 0L;
            if (span.StartsHere)
            {
                if (_open is { } other)
                    throw new InvalidOperationException($"Transaction {span.CommitLsn} begins inside {other.Commit}.");
                if (_pending.Count > 0 && _pending[^1].Commit >= span.CommitLsn)
                    throw new InvalidOperationException($"Transaction {span.CommitLsn} comes after {_pending[^1].Commit}.");
            }
            else
            {
                if (_open is not { } open || open.Commit != span.CommitLsn)
                    throw new InvalidOperationException($"A piece of transaction {span.CommitLsn} came without what is before it.");
                known = open.Changes;
            }

            if (span.FirstOrdinal != known)
                throw new InvalidOperationException($"Transaction {span.CommitLsn} goes on at change {span.FirstOrdinal}, not at {known}.");
            var now = new Applied(span.CommitLsn, known + span.Count);
            _open = span.EndsHere ? null : now;
            if (span.EndsHere)
                _pending.Add(now);
        }

        public ValueTask RollbackAsync(CancellationToken cancellationToken)
        {
            Rollbacks++;
            _pending.Clear();
            _open = null;
            return ValueTask.CompletedTask;
        }

        public ValueTask DisposeAsync() => RollbackAsync(CancellationToken.None);

        public Task AdvanceAsync(Lsn position, CancellationToken cancellationToken)
        {
            destination.Commit([], position);
            return Task.CompletedTask;
        }

        public void Route(IReadOnlyDictionary<TableName, TableRoute> routes)
        {
        }

        public Task<CopyOutcome> CopyTableAsync(TableCopy copy, ICopySource source, CancellationToken cancellationToken) => throw new NotSupportedException();

        public StreamedTransactions Streamed { get; } = new();

        public Task<ITableChunks?> OpenChunksAsync(ChunkedCopy copy, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IWholeDigest?> OpenWholeAsync(ChunkedCopy copy, string form, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task AdoptTableAsync(TableCopy table, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<MissingExtra>> MakeExtrasAsync(TableExtras extras, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task FinishExtrasAsync(TableName source, IReadOnlyList<MissingExtra> missing, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task LackExtrasAsync(IReadOnlyList<TableName> sources, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task StopTableAsync(TableName table, TableStop stop, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task ForgetTableAsync(TableName table, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task RemoveAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        static readonly Dictionary<TableName, RowCounts> Nothing = [];
    }
}
