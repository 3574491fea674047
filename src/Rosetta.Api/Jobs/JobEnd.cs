namespace Rosetta.Api.Jobs;

/// <summary>Waits a moment for a job that was called off: most end within it, after what they have at hand.</summary>
static class JobEnd
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);
    static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(100);

    /// <returns>The job as it is then; null: it is gone.</returns>
    public static async Task<T?> WaitAsync<T>(Func<Task<T?>> find, Func<T, bool> isOpen, TimeProvider time, CancellationToken cancellationToken)
        where T : class
    {
        var started = time.GetTimestamp();
        using var timer = new PeriodicTimer(LookInterval, time);
        while (true)
        {
            if (await find() is not { } job) return null;
            if (!isOpen(job) || time.GetElapsedTime(started) >= Patience || !await timer.WaitForNextTickAsync(cancellationToken)) return job;
        }
    }
}
