using Rosetta.Core.Chunks;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;

namespace Rosetta.Actors.Destinations;

/// <summary>Where what was read of a source is brought to its place in a lane.</summary>
sealed class LanePlace(IChunkSource source, LandingGate gate, Lane lane, TimeProvider time)
{
    /// <summary>A stream that does not move by itself is given something to read.</summary>
    public static readonly TimeSpan NudgeAfter = TimeSpan.FromMilliseconds(20);

    static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    /// <summary>Runs <paramref name="work"/> between two groups, once the lane has passed <paramref name="high"/>.</summary>
    public async Task PassAsync(Lsn high, Func<CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        var placing = gate.PassAsync(high, work, cancellationToken);
        if (await Task.WhenAny(placing, Task.Delay(NudgeAfter, time, cancellationToken)).ConfigureAwait(false) != placing && lane.Passed < high)
            await source.NudgeAsync(cancellationToken).ConfigureAwait(false);
        await placing.ConfigureAwait(false);
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
