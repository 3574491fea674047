using Rosetta.Core.Positions;

namespace Rosetta.Core.Chunks;

/// <summary>
/// Where chunks wait for their place in a lane: the pump comes by between two groups, and runs those whose position the lane has passed, while nothing else
/// is applied there. Thread-safe; one pump.
/// </summary>
public sealed class LandingGate
{
    readonly Lock _gate = new();
    readonly List<Waiting> _waiting = [];
    CancellationTokenSource? _idle;

    sealed record Waiting(Lsn At, Func<CancellationToken, Task> Land, TaskCompletionSource Done);

    /// <summary>Somebody waits: the pump should come by often.</summary>
    public bool IsWanted
    {
        get
        {
            lock (_gate)
                return _waiting.Count > 0;
        }
    }

    /// <summary>Runs <paramref name="land"/> at the first boundary between two groups at which the lane has passed <paramref name="at"/>.</summary>
    /// <exception cref="Exception">What <paramref name="land"/> failed with.</exception>
    public async Task PassAsync(Lsn at, Func<CancellationToken, Task> land, CancellationToken cancellationToken)
    {
        var waiting = new Waiting(at, land, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        lock (_gate)
        {
            _waiting.Add(waiting);
            _idle?.Cancel();
        }

        await using (cancellationToken.Register(() => GiveUp(waiting, cancellationToken)).ConfigureAwait(false))
            await waiting.Done.Task.ConfigureAwait(false);
    }

    /// <summary>Called by the pump between two groups. A landing's failure is its owner's, not the pump's.</summary>
    public async ValueTask LandAsync(Lsn passed, CancellationToken cancellationToken)
    {
        while (Take(passed) is { } next)
        {
            try
            {
                await next.Land(cancellationToken).ConfigureAwait(false);
                next.Done.TrySetResult();
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                next.Done.TrySetCanceled(cancellationToken);
                throw;
            }
            catch (Exception e)
            {
                next.Done.TrySetException(e);
            }
        }
    }

    /// <summary>
    /// Waits in the pump's name, until it is due or somebody comes to the gate.
    /// </summary>
    /// <param name="wait">Waits until there is something to apply.</param>
    /// <returns>What <paramref name="wait"/> answered, or null: somebody came to the gate.</returns>
    public async ValueTask<bool?> IdleAsync(Func<CancellationToken, ValueTask<bool>> wait, Lsn passed, CancellationToken cancellationToken)
    {
        CancellationTokenSource idle;
        lock (_gate)
        {
            if (_waiting.Exists(w => w.At <= passed))
                return null;
            idle = _idle = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        }

        try
        {
            return await wait(idle.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (idle.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // What follows is not for the thread that came to the gate.
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            return null;
        }
        finally
        {
            lock (_gate)
                _idle = null;
            idle.Dispose();
        }
    }

    Waiting? Take(Lsn passed)
    {
        lock (_gate)
        {
            var index = _waiting.FindIndex(w => w.At <= passed);
            if (index < 0)
                return null;
            var next = _waiting[index];
            _waiting.RemoveAt(index);
            return next;
        }
    }

    // One that is being run ends by itself: it has the same token, or is too far to be called back.
    void GiveUp(Waiting waiting, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (!_waiting.Remove(waiting))
                return;
        }

        waiting.Done.TrySetCanceled(cancellationToken);
    }
}
