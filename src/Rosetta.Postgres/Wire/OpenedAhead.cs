namespace Rosetta.Postgres.Wire;

/// <summary>
/// Something that is opened while something else is done. Who needs it takes it; dispose of this whether it was taken or not: what nobody took is closed, or
/// given up while it still opens.
/// </summary>
public sealed class OpenedAhead<T> : IAsyncDisposable
    where T : IAsyncDisposable
{
    readonly CancellationTokenSource _giveUp;
    readonly Task<T> _opening;
    bool _isTaken;

    /// <param name="open">Runs at once, beside the caller.</param>
    public OpenedAhead(Func<CancellationToken, Task<T>> open, CancellationToken cancellationToken)
    {
        _giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var token = _giveUp.Token;
        _opening = Task.Run(() => open(token), token);
    }

    /// <summary>Waits until it is open. It is the caller's from then on. Its failure to open is thrown here, and nowhere else.</summary>
    public async Task<T> TakeAsync()
    {
        var opened = await _opening.ConfigureAwait(false);
        _isTaken = true;
        return opened;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_isTaken)
        {
            await _giveUp.CancelAsync().ConfigureAwait(false);
            // A failure concerns nobody any more: whoever would have taken it has failed before.
            await ((Task)_opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_opening.IsCompletedSuccessfully)
                await (await _opening.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }

        _giveUp.Dispose();
    }
}
