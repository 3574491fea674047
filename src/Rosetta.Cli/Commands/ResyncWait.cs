using Rosetta.Cli.Invocations;
using Rosetta.Cli.Views;
using Rosetta.Client;
using Rosetta.Client.Answers;

namespace Rosetta.Cli.Commands;

/// <summary>Waits until resyncs that were asked for have ended, and shows what they have read and written.</summary>
/// <param name="path">Of the pipeline.</param>
/// <param name="requests">Their ids.</param>
sealed class ResyncWait(Invocation i, string path, IReadOnlyList<long> requests)
{
    static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    /// <summary>A node reports about once a second: what a request has done may be told a little later than its end.</summary>
    const int LooksForResults = 5;

    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync()
    {
        var ended = new Dictionary<long, PipelineRequest>();
        ApiAnswer answer;
        using (var line = new ProgressLine())
        {
            while (true)
            {
                foreach (var id in requests.Where(r => !ended.ContainsKey(r)))
                {
                    if ((await i.GetAsync($"{path}/requests/{id}")).As<PipelineRequest>() is { IsOpen: false } request)
                        ended[id] = request;
                }

                answer = await i.GetAsync(path);
                line.Show(ResyncView.Progress(answer.As<Pipeline>(), requests));
                if (ended.Count == requests.Count)
                    break;
                await Task.Delay(LookInterval, i.Cancelled);
            }
        }

        for (var look = 0; look < LooksForResults && requests.Except(ResyncView.Answered(answer.As<Pipeline>())).Any(); look++)
        {
            await Task.Delay(LookInterval, i.Cancelled);
            answer = await i.GetAsync(path);
        }

        i.Show<Pipeline>(answer, p => ResyncView.Render(p, requests));
        var failures = ended.Values.Where(r => r.Status != "DONE").Select(r => r.Error ?? "The resync failed.").Distinct().ToList();
        foreach (var failure in failures)
            await Console.Error.WriteLineAsync(failure);
        return failures.Count > 0 || ResyncView.HasFailed(answer.As<Pipeline>(), requests) ? Verb.Failed : 0;
    }
}
