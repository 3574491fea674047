using Rosetta.Actors.Pipelines;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Replication;

namespace Rosetta.Actors.Replication;

/// <summary>
/// The main stream of a pipeline: runs while a lane listens, from the lowest position of those that wait, and alone acknowledges the
/// main slot.
/// </summary>
sealed class MainStream(PipelineRun run, SourceLink link)
{
    static readonly TimeSpan AcknowledgeInterval = TimeSpan.FromSeconds(1);

    readonly SemaphoreSlim _signal = new(0, 1);
    Lsn _acknowledged;
    volatile bool _stopReading;
    volatile CancellationTokenSource? _reading;

    /// <summary>The hub has a lane that waits, or none that listens.</summary>
    public void Wake()
    {
        if (!_stopReading && !run.Hub.IsWanted)
            CancelReading();
        try
        {
            _signal.Release();
        }
        catch (SemaphoreFullException)
        {
            // A wake-up is pending already.
        }
    }

    /// <summary>No lane is fed any more; the connection stays for a last acknowledgement of what they still reach.</summary>
    public void StopReading() => _stopReading = true;

    /// <summary>Streams, again and again, until <paramref name="release"/>; then acknowledges what the lanes have reached.</summary>
    public async Task RunAsync(CancellationToken release, CancellationToken cancellationToken)
    {
        var released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = release.Register(released.SetResult);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(release, cancellationToken);
        try
        {
            while (!release.IsCancellationRequested)
            {
                while (_stopReading || run.Hub.StartPosition() is null)
                    await _signal.WaitAsync(either.Token).ConfigureAwait(false);
                await StreamOnceAsync(released.Task, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (release.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // Released while no lane waited.
        }
    }

    async Task StreamOnceAsync(Task released, CancellationToken cancellationToken)
    {
        await using var connection = await link.OpenReplicationAsync("main", cancellationToken).ConfigureAwait(false);
        if (run.Hub.StartPosition() is not { } start)
            return;
        await using var stream = await connection.StartAsync(link.StreamOf(link.Slot, start), cancellationToken).ConfigureAwait(false);
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _reading = reading;
        _acknowledged = Lsn.MaxOf(_acknowledged, run.Source.Confirmed ?? Lsn.Zero);
        run.Hub.MainStarted(start);
        run.Source.Fault = null;
        // A lane may have gone between the look at the hub and now.
        Wake();
        var read = stream.RunAsync(run.Hub, reading.Token);
        var acknowledging = AcknowledgeAsync(stream, reading.Token);
        try
        {
            // A failed acknowledgement (fenced) ends the stream, and so does the release, after a last one.
            var first = await Task.WhenAny(read, acknowledging, released).ConfigureAwait(false);
            if (first == released)
                await AcknowledgeOnceAsync(stream, cancellationToken).ConfigureAwait(false);
            await first.ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (reading.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // Nobody listens any more, or a restart was asked for.
        }
        finally
        {
            _reading = null;
            run.Hub.MainEnded();
            await reading.CancelAsync().ConfigureAwait(false);
            await acknowledging.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await read.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    async Task AcknowledgeAsync(ChangeStream stream, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(AcknowledgeInterval, run.Services.Time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
            {
                run.Source.Received = stream.ReceivedLsn;
                await AcknowledgeOnceAsync(stream, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The stream has ended.
        }
    }

    /// <summary>
    /// Records what is about to be acknowledged and what it rests on, then tells the source. Without the record nothing is acknowledged.
    /// Each time the source is asked to say how far it is: an idle pipeline moves on by that alone.
    /// </summary>
    async Task AcknowledgeOnceAsync(ChangeStream stream, CancellationToken cancellationToken)
    {
        if (run.Hub.TakeAcknowledgeable() is { } position && position > _acknowledged)
        {
            Failpoint.Hit(FailpointNames.AcknowledgeBeforeRecord);
            if (await link.RecordAcknowledgementAsync(position, cancellationToken).ConfigureAwait(false))
            {
                Failpoint.Hit(FailpointNames.AcknowledgeAfterRecord);
                _acknowledged = position;
                run.Source.Confirmed = position;
            }
        }

        await stream.SendStatusAsync(stream.ReceivedLsn, _acknowledged, _acknowledged, requestReply: true, cancellationToken).ConfigureAwait(false);
        Failpoint.Hit(FailpointNames.AcknowledgeSent);
    }

    void CancelReading()
    {
        try
        {
            _reading?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has ended by itself.
        }
    }
}
