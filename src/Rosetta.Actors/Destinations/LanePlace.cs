using Rosetta.Core.Chunks;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;

namespace Rosetta.Actors.Destinations;

/// <summary>Where what was read of a source is brought to its place in a lane.</summary>
sealed class LanePlace(IChunkSource source, LandingGate gate, Lane lane, TimeProvider time)
{
    /// <summary>A stream that does not move by itself is given something to read.</summary>
    public static readonly TimeSpan NudgeAfter = TimeSpan.FromMilliseconds(20);

    /// <summary>Again, when that was not enough.</summary>
    static readonly TimeSpan NudgeEvery = TimeSpan.FromSeconds(1);

    /// <summary>Tries, of reading or of nudging, from which on it is shown what is waited for.</summary>
    const int ShownFrom = 5;

    string? _shown;
    bool _isIdle;

    /// <summary>Told what something waits for that has been tried often or for long, and null when it goes on.</summary>
    public Action<string?> Waits { get; init; } = static _ => { };

    static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    /// <summary>Runs <paramref name="work"/> between two groups, once the lane has passed <paramref name="high"/>.</summary>
    public async Task PassAsync(Lsn high, Func<CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        var placing = gate.PassAsync(high, work, cancellationToken);
        // A stream that had to be nudged the last time has probably nothing to say now either.
        var wait = _isIdle ? TimeSpan.Zero : NudgeAfter;
        _isIdle = false;
        for (var nudges = 0; await Task.WhenAny(placing, Task.Delay(wait, time, cancellationToken)).ConfigureAwait(false) != placing; nudges++)
        {
            if (cancellationToken.IsCancellationRequested)
                break;
            wait = NudgeEvery;
            if (lane.Passed >= high)
                continue;
            if (nudges >= ShownFrom)
                Show($"What was read of the source waits for its place: the destination has applied everything up to {lane.Passed}, and has to get to {high}.");
            _isIdle = true;
            await source.NudgeAsync(cancellationToken).ConfigureAwait(false);
        }

        await placing.ConfigureAwait(false);
    }

    /// <summary>Shows why a chunk did not land, once it has been read often enough.</summary>
    public async Task ExplainAsync(ChunkLanding? landing, int tries, CancellationToken cancellationToken)
    {
        if (tries < ShownFrom || landing is null)
            return;
        if (landing.WaitsFor is not { } xid)
        {
            Show($"A chunk has been read {tries} times: {landing.ReadAgain}.");
            return;
        }

        var who = await source.DescribeTransactionAsync(xid, cancellationToken).ConfigureAwait(false);
        Show($"A chunk has been read {tries} times: it waits for transaction {xid} of the source ({who ?? "just ended"}), {landing.ReadAgain}.");
    }

    public void Show(string? reason)
    {
        if (_shown == reason)
            return;
        _shown = reason;
        Waits(reason);
    }

    /// <summary>The same as soon as the lane comes to its next boundary.</summary>
    public Task PassAsync(Func<CancellationToken, Task> work, CancellationToken cancellationToken) => gate.PassAsync(lane.Passed, work, cancellationToken);

    /// <summary>Waits before what could not be placed is read again.</summary>
    /// <returns>How long to wait the next time.</returns>
    public async Task<TimeSpan> PauseAsync(TimeSpan pause, CancellationToken cancellationToken)
    {
        await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
        return pause * 2 < LongestPause ? pause * 2 : LongestPause;
    }
}
