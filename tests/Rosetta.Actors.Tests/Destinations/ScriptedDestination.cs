using System.Collections.Concurrent;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Tests.Destinations;

/// <summary>
/// A destination that fails as its script says and otherwise keeps the contract: it remembers the transactions it has applied, and skips
/// those below its position.
/// </summary>
sealed class ScriptedDestination : IDestination
{
    readonly ConcurrentQueue<Exception> _failures = new();
    readonly ConcurrentQueue<Lsn> _applied = new();
    int _opens;
    int _openSessions;
    ulong _position;

    /// <summary>How often it was opened, with or without success.</summary>
    public int Opens => Volatile.Read(ref _opens);

    public int OpenSessions => Volatile.Read(ref _openSessions);

    public bool Removed { get; private set; }

    public IReadOnlyList<Lsn> Applied => [.. _applied];

    /// <summary>Opening waits for it, and can be cancelled.</summary>
    public Task Reachable { get; set; } = Task.CompletedTask;

    /// <summary>Runs in each apply, before anything happens.</summary>
    public Func<Task> Before { get; set; } = static () => Task.CompletedTask;

    /// <summary>The next openings fail with these.</summary>
    public void FailWith(params Exception[] failures)
    {
        foreach (var failure in failures)
            _failures.Enqueue(failure);
    }

    public async Task<IDestinationSession> OpenAsync(DestinationOpening opening, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _opens);
        await Reachable.WaitAsync(cancellationToken);
        if (_failures.TryDequeue(out var failure))
            throw failure;
        Interlocked.Increment(ref _openSessions);
        return new Session(this);
    }

    sealed class Session(ScriptedDestination destination) : IDestinationSession
    {
        static readonly Dictionary<TableName, RowCounts> Nothing = [];

        public Lsn Position => new(Volatile.Read(ref destination._position));

        public IReadOnlyDictionary<TableName, DestinationTable> Tables { get; } = new Dictionary<TableName, DestinationTable>();

        public void Route(IReadOnlyDictionary<TableName, TableRoute> routes)
        {
        }

        public async ValueTask<ApplyResult> ApplyAsync(ApplyGroup group, CancellationToken cancellationToken)
        {
            await destination.Before();
            foreach (var batch in group.Batches)
            {
                foreach (var transaction in batch.Transactions.ToArray().Where(t => t.CommitLsn >= Position))
                    destination._applied.Enqueue(transaction.CommitLsn);
            }

            Volatile.Write(ref destination._position, group.DeliveredUpTo.Value);
            return new ApplyResult(Position, Nothing, [], 1);
        }

        public ValueTask RollbackAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask DisposeAsync()
        {
            Interlocked.Decrement(ref destination._openSessions);
            return ValueTask.CompletedTask;
        }

        public Task RemoveAsync(CancellationToken cancellationToken)
        {
            destination.Removed = true;
            return Task.CompletedTask;
        }

        public Task AdvanceAsync(Lsn position, CancellationToken cancellationToken) => Task.CompletedTask;

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
    }
}
