using System.Threading.Tasks.Sources;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Replication;

/// <summary>
/// The waits of <see cref="ReadPacing"/>: looks at the socket every millisecond, in which a walsender at full speed sends about what wakes the reader. One
/// timer and one task source, used again and again.
/// </summary>
sealed class ReadPause : IValueTaskSource, IAsyncDisposable
{
    static readonly TimeSpan Step = TimeSpan.FromMilliseconds(1);

    readonly TimeProvider _time;
    readonly ITimer _timer;
    ManualResetValueTaskSourceCore<bool> _step;

    public ReadPause(TimeProvider time)
    {
        _time = time;
        _timer = time.CreateTimer(static pause => ((ReadPause)pause!)._step.SetResult(true), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Returns when enough bytes have come or the longest wait is over.</summary>
    public async ValueTask UntilAsync(PgCopyBoth copy, ReadPacing pacing)
    {
        if (!pacing.IsEnabled || copy.Available >= pacing.WakeBytes)
            return;
        long start = _time.GetTimestamp();
        do
            await StepAsync();
        while (copy.Available < pacing.WakeBytes && _time.GetElapsedTime(start) < pacing.LongestWait && !copy.IsEnded);
    }

    ValueTask StepAsync()
    {
        _step.Reset();
        var step = new ValueTask(this, _step.Version);
        _timer.Change(Step, Timeout.InfiniteTimeSpan);
        return step;
    }

    void IValueTaskSource.GetResult(short token) => _step.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _step.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _step.OnCompleted(continuation, state, token, flags);

    public ValueTask DisposeAsync() => _timer.DisposeAsync();
}
