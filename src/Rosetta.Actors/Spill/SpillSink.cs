using System.Buffers;
using Rosetta.Core.Changes;
using Rosetta.Core.Destinations;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Spill;

/// <summary>
/// A lane's spill log in place of its destination. One part is being written while the next one gathers: what was given to it is durable after <see cref="FlushAsync"/>;
/// how far the slot may go the log says by itself. After a failure what was given to it has to be read again from there.
/// </summary>
sealed class SpillSink(Lane lane, LaneSpill spill, TimeProvider time) : ILaneSink
{
    /// <summary>What the log takes at once: large enough to compress well and to wait for the disk seldom.</summary>
    public static readonly GroupBounds Bounds = new(100_000, 4 << 20);

    /// <summary>Nobody waits for what is written here: after a small group the next one gathers for so long.</summary>
    static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(100);

    static readonly IReadOnlyDictionary<TableName, RowCounts> NoRows = new Dictionary<TableName, RowCounts>();

    Task _writing = Task.CompletedTask;
    bool _isOpen;

    /// <summary>What it was given; may be ahead of what is durable.</summary>
    public Lsn Passed { get; private set; }

    /// <summary>Opens the log, and begins where that ends: pieces of a transaction that did not come to its end are gone.</summary>
    public async Task OpenAsync(CancellationToken cancellationToken)
    {
        await spill.OpenAsync(cancellationToken).ConfigureAwait(false);
        (Passed, _isOpen) = (lane.Feeds, false);
    }

    /// <summary>After the stream has ended and before it begins again.</summary>
    public async Task RenewAsync(CancellationToken cancellationToken)
    {
        await FlushAsync(cancellationToken).ConfigureAwait(false);
        if (_isOpen)
            await OpenAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <exception cref="SpillOverrunException">The log has come to its own end.</exception>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (spill.Overrun() is { } reason)
            throw new SpillOverrunException(reason);
    }

    public async ValueTask<ApplyResult> ApplyAsync(ApplyGroup group, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var payload = new PooledBytes(64 * 1024);
        var transactions = 0;
        foreach (var given in group.Batches)
        {
            // A stream of its own and the main one overlap, and so do two incarnations'. Nothing comes twice in the log, and nothing in it goes back.
            var batch = given.Without(Passed);
            if (!batch.IsEmpty || batch.DeliveredUpTo > Passed)
                BatchCodec.Encode(batch, ref payload);
            foreach (var transaction in batch.Transactions)
                transactions += transaction.EndsHere ? 1 : 0;
            batch.Release();
        }

        if (payload.Length == 0)
        {
            ArrayPool<byte>.Shared.Return(payload.Array);
            return new ApplyResult(Passed, NoRows, [], 0);
        }

        var (isOpen, through) = (group.IsOpenAtEnd, Lsn.MaxOf(group.DeliveredUpTo, Passed));
        var part = new SpillPart(isOpen ? null : through, transactions, payload.Array.AsMemory(0, payload.Length));
        await FlushAsync(cancellationToken).ConfigureAwait(false);
        _isOpen = isOpen;
        var begin = Passed;
        _writing = Task.Run(() => WriteAsync(begin, part, payload.Array, cancellationToken), CancellationToken.None);
        await GatherAsync(group, began, cancellationToken).ConfigureAwait(false);
        return new ApplyResult(isOpen ? null : through, NoRows, [], 0);
    }

    /// <summary>What is there of the transaction goes when the log is opened again.</summary>
    public ValueTask RollbackAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public void Pass(Lsn position, long lastCommitTime)
    {
        Passed = Lsn.MaxOf(Passed, position);
        // WAL without a change for this lane is not written down: the slot may pass it all the same.
        if (!_writing.IsCompletedSuccessfully || _isOpen || lane.Feeds >= position)
            return;
        if (lane.Spilled is null)
            lane.Pass(position);
        else
            lane.Spill(position);
    }

    async Task WriteAsync(Lsn begin, SpillPart part, byte[] rented, CancellationToken cancellationToken)
    {
        try
        {
            Failpoint.Hit(FailpointNames.SpillBeforeAppend);
            await spill.AppendAsync(begin, part, cancellationToken).ConfigureAwait(false);
            Failpoint.Hit(FailpointNames.SpillAppended);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    async ValueTask GatherAsync(ApplyGroup group, long began, CancellationToken cancellationToken)
    {
        var left = Gathering - time.GetElapsedTime(began);
        if (left > TimeSpan.Zero && group.Batches.Sum(static b => b.Size) < Bounds.Bytes / 4)
            await Task.Delay(left, time, cancellationToken).ConfigureAwait(false);
    }
}

/// <summary>The spill log has come to its own end.</summary>
sealed class SpillOverrunException(string reason) : Exception(reason);
