using System.Globalization;
using Rosetta.Actors.Replication;
using Rosetta.Core.Lanes;
using Rosetta.Core.Pipelines;

namespace Rosetta.Actors.Destinations;

/// <summary>How fast the copies of a pipeline may be together, and when they stop for a while. 0: no bound.</summary>
/// <param name="LagBytes">WAL that a destination which streams may be behind.</param>
/// <param name="RetainedBytes">WAL that the slot may make the source keep. Not looked at by a first copy, which holds the slot itself until it ends.</param>
/// <param name="SourceBackends">Sessions of others that may be at work at the source.</param>
public sealed record CopyLimits(long RowsPerSecond, long BytesPerSecond, long LagBytes, long RetainedBytes, int SourceBackends)
{
    public static readonly CopyLimits None = new(0, 0, 0, 0, 0);

    /// <summary>Why a copy has to stop now; null when it may go on. Pure.</summary>
    /// <param name="lag">Of the destination that is furthest behind among those that stream.</param>
    /// <param name="streams">The destination of the copy streams meanwhile.</param>
    public string? Stops(long lag, long? retained, int? backends, bool streams)
    {
        if (LagBytes > 0 && lag > LagBytes)
            return string.Create(CultureInfo.InvariantCulture, $"a destination is {lag} bytes of WAL behind, more than CopyLag ({LagBytes})");
        if (RetainedBytes > 0 && streams && retained > RetainedBytes)
            return string.Create(CultureInfo.InvariantCulture, $"the slot makes the source keep {retained} bytes of WAL, more than CopyRetainedWal ({RetainedBytes})");
        return SourceBackends > 0 && backends > SourceBackends
            ? string.Create(CultureInfo.InvariantCulture, $"{backends} sessions are at work at the source, more than CopySourceBackends ({SourceBackends})")
            : null;
    }
}

/// <summary>Keeps all copies of a pipeline to its limits. Thread-safe.</summary>
public sealed class CopyPace(CopyLimits limits, LaneHub hub, SourceStatus source, TimeProvider time)
{
    static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    readonly Lock _gate = new();
    readonly long _started = time.GetTimestamp();
    readonly RateLimit _rows = new(limits.RowsPerSecond);
    readonly RateLimit _bytes = new(limits.BytesPerSecond);

    /// <summary>Called when so much has been read: returns when more may be.</summary>
    /// <param name="waits">Told why it waits for something else than time, and null when it goes on.</param>
    public async ValueTask PassAsync(Lane lane, long rows, long bytes, Action<string?> waits, CancellationToken cancellationToken)
    {
        TimeSpan pause;
        lock (_gate)
        {
            var now = time.GetElapsedTime(_started);
            pause = TimeSpan.FromTicks(Math.Max(_rows.Take(rows, now).Ticks, _bytes.Take(bytes, now).Ticks));
        }

        if (pause > TimeSpan.Zero)
            await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
        if (Stops(lane) is not { } reason)
            return;
        for (string? now = reason; now is not null; now = Stops(lane))
        {
            waits(now);
            await Task.Delay(Look, time, cancellationToken).ConfigureAwait(false);
        }

        waits(null);
    }

    string? Stops(Lane lane)
    {
        if (limits is { LagBytes: <= 0, RetainedBytes: <= 0, SourceBackends: <= 0 })
            return null;
        var lag = 0L;
        if (source.Current is { } end)
        {
            // A lane that is not attached is still being copied, or catches up for reasons of its own.
            foreach (var other in hub.Lanes.Where(l => l.Shown == LaneState.Attached && l.Passed < end))
                lag = Math.Max(lag, (long)(end.Value - other.Passed.Value));
        }

        return limits.Stops(lag, source.RetainedBytes, source.ActiveBackends, lane.Shown == LaneState.Attached);
    }
}
