using Rosetta.Core.Errors;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;
using Rosetta.Core.Spill;

namespace Rosetta.Actors.Spill;

/// <summary>
/// The spill log of one lane in one incarnation: what it has, and who feeds the lane. Its destination's program and the writer of the log do so in turn, never both.
/// </summary>
/// <param name="from">The lowest position that the destination may say it is at; null: it is not known.</param>
public sealed class LaneSpill(ISpillStore store, SpillLog log, long epoch, Lane lane, SpillLimits limits, Func<Lsn?> from, TimeProvider time)
{
    readonly SemaphoreSlim _feeder = new(1, 1);
    readonly SemaphoreSlim _store = new(1, 1);
    readonly Lock _gate = new();
    readonly SpillRate _rate = new(time);
    TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    CancellationTokenSource? _writing;
    volatile SpillExtent? _extent;
    volatile Fault? _fault;

    public SpillLog Log => log;

    public ISpillStore Store => store;

    public long Epoch => epoch;

    /// <summary>What it has; null: nothing.</summary>
    public SpillExtent? Extent => _extent;

    /// <summary>Why it cannot be written or read now; null: it can.</summary>
    public Fault? Fault
    {
        get => _fault;
        set => _fault = value;
    }

    public SpillRate Rate => _rate;

    /// <summary>It is written, or about to be.</summary>
    public bool IsWriting
    {
        get
        {
            lock (_gate)
                return _writing is not null;
        }
    }

    /// <summary>The writer has come to the main stream: what it adds from here on is what happens.</summary>
    public bool HasReachedMain { get; set; }

    /// <summary>The destination has to read it before anything else.</summary>
    public bool IsWanted => IsWriting || _extent is { Abandoned: null };

    /// <summary>Takes up what an earlier incarnation left, before anything moves.</summary>
    public void Restore(SpillExtent extent)
    {
        Take(extent);
        lane.IsGivenUp = extent.Abandoned is not null;
    }

    /// <summary>Begins a run of the writer; null: one is under way, or the log was given up. Cancelled when the writer is to stop between two parts.</summary>
    public CancellationToken? BeginWriting()
    {
        lock (_gate)
        {
            if (_writing is not null || _extent?.Abandoned is not null)
                return null;
            _writing = new CancellationTokenSource();
            return _writing.Token;
        }
    }

    public void EndWriting()
    {
        lock (_gate)
        {
            HasReachedMain = false;
            _writing?.Dispose();
            _writing = null;
        }

        lane.IsSpilling = false;
        Changed();
    }

    /// <summary>Has the writer stop after the part at hand; what the main stream has for the lane meanwhile stays in the lane's log.</summary>
    public void StopWriting()
    {
        lock (_gate)
            _writing?.Cancel();
    }

    /// <summary>Waits to be the one who feeds the lane, until disposed; null: interrupted.</summary>
    public async Task<IDisposable?> EnterAsync(CancellationToken interrupt, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(interrupt, cancellationToken);
        try
        {
            await _feeder.WaitAsync(either.Token).ConfigureAwait(false);
            return new Turn(_feeder);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>Shuts older incarnations out and looks how far it goes; by whoever feeds the lane.</summary>
    public Task OpenAsync(CancellationToken cancellationToken) => WriteAsync(token => store.OpenAsync(log, epoch, token), cancellationToken);

    /// <param name="begin">The part has everything from there on.</param>
    public async Task AppendAsync(Lsn begin, SpillPart part, CancellationToken cancellationToken)
    {
        await WriteAsync(
            async token => await store.AppendAsync(log, epoch, _extent?.Through ?? Lsn.Min(from() ?? begin, begin), part, token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        // It can be written again: what was wrong is over, however long it takes until it is drained.
        Fault = null;
    }

    /// <summary>Lets go what the destination has.</summary>
    public Task RemoveAsync(Lsn position, CancellationToken cancellationToken) => WriteAsync(token => store.RemoveAsync(log, epoch, position, token), cancellationToken);

    /// <summary>One at a time, so that what is known of the log is what was last done to it.</summary>
    async Task WriteAsync(Func<CancellationToken, Task<SpillExtent?>> write, CancellationToken cancellationToken)
    {
        await _store.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            Take(await write(cancellationToken).ConfigureAwait(false));
        }
        finally
        {
            _store.Release();
        }
    }

    /// <summary>Gives the log up: the destination does not get what it lacks, and holds nothing any more.</summary>
    public async Task AbandonAsync(string reason, CancellationToken cancellationToken)
    {
        await WriteAsync(
            async token =>
            {
                await store.AbandonAsync(log, epoch, reason, token).ConfigureAwait(false);
                return _extent! with { Abandoned = reason, Parts = 0, Transactions = 0, Bytes = 0, RawBytes = 0, Oldest = null };
            },
            cancellationToken).ConfigureAwait(false);
        lane.IsGivenUp = true;
    }

    /// <summary>Why no more is written; null: there is room.</summary>
    public string? Overrun()
    {
        if (_extent is not { Abandoned: null } extent)
            return null;
        if (extent.Bytes > limits.Bytes)
            return $"Its spill log has {extent.Bytes} bytes, above the bound of {limits.Bytes}.";
        return extent.Oldest is { } oldest && time.GetUtcNow() - oldest > limits.Age
            ? $"Its spill log goes back to {oldest:yyyy-MM-dd HH:mm} UTC, and may go back {limits.Age}."
            : null;
    }

    public SpillEnd End => limits.End;

    /// <exception cref="FaultException">The log was given up: a gap.</exception>
    public void RequireWhole()
    {
        if (_extent?.Abandoned is { } reason)
            throw new FaultException(Gap(reason));
    }

    /// <summary>The destination goes on from the log.</summary>
    /// <param name="position">Where it says it is.</param>
    /// <exception cref="FaultException">The log begins behind that: a gap.</exception>
    public async Task<bool> CoversAsync(Lsn position, CancellationToken cancellationToken)
    {
        if (_extent is not { Abandoned: null } extent)
            return IsWriting;
        if (position < extent.From)
            throw new FaultException(Gap($"Its spill log begins at {extent.From}, and the destination is at {position}: it was set back."));
        if (position >= extent.Through && !IsWriting)
        {
            await EmptyAsync(position, cancellationToken).ConfigureAwait(false);
            return _extent is not null;
        }

        return true;
    }

    /// <summary>Lets go a log that the destination has read to its end.</summary>
    public async Task EmptyAsync(Lsn position, CancellationToken cancellationToken)
    {
        using var turn = await EnterAsync(CancellationToken.None, cancellationToken).ConfigureAwait(false);
        if (IsWriting)
            return;
        await OpenAsync(cancellationToken).ConfigureAwait(false);
        if (_extent is not null)
            await RemoveAsync(position, cancellationToken).ConfigureAwait(false);
        if (_extent is null)
            Fault = null;
    }

    /// <summary>Completes when there is more, or the writer has ended; to be taken before one looks.</summary>
    public Task WhenChanged()
    {
        lock (_gate)
            return _changed.Task;
    }

    void Take(SpillExtent? extent)
    {
        var before = _extent;
        _extent = extent;
        lane.Spill(extent?.Through);
        _rate.Add(before, extent);
        Changed();
    }

    void Changed()
    {
        TaskCompletionSource before;
        lock (_gate)
            (before, _changed) = (_changed, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        before.SetResult();
    }

    Fault Gap(string reason) => new(
        ErrorClass.Operator, $"Changes that this destination lacks were let go. {reason}",
        $"POST /api/v1/pipelines/{log.PipelineId}/resync with {{\"destination_ids\": [{log.DestinationId}]}} makes its tables equal again: what differs is brought, nothing is emptied.", null, IsGap: true);

    sealed class Turn(SemaphoreSlim feeder) : IDisposable
    {
        SemaphoreSlim? _feeder = feeder;

        public void Dispose() => Interlocked.Exchange(ref _feeder, null)?.Release();
    }
}
