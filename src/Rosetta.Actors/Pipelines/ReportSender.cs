using Rosetta.Store.Runtime;

namespace Rosetta.Actors.Pipelines;

/// <summary>
/// Sends an incarnation's reports one after the other. Two at a time would come by two connections and in either order, and the last word on a pipeline
/// that has stopped would be that it stops.
/// </summary>
/// <param name="save">Saves a report; false: it was refused.</param>
public sealed class ReportSender(Func<PipelineReport, CancellationToken, Task<bool>> save)
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    readonly Lock _gate = new();
    Task _last = Task.CompletedTask;

    /// <returns>False when the report's epoch is no longer the newest.</returns>
    /// <exception cref="Exception">It could not be saved.</exception>
    public Task<bool> SendAsync(PipelineReport report)
    {
        lock (_gate)
        {
            var sending = SendAfterAsync(_last, report);
            _last = sending;
            return sending;
        }
    }

    async Task<bool> SendAfterAsync(Task before, PipelineReport report)
    {
        // How it went is told to who sent it.
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        using var limit = new CancellationTokenSource(Limit);
        return await save(report, limit.Token).ConfigureAwait(false);
    }
}
