using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Rosetta.Store;
using Rosetta.Store.Configuration;

namespace Rosetta.Api.Pipelines;

/// <summary>A pipeline as a stream of server-sent events.</summary>
static class PipelineEvents
{
    /// <summary>As often as nodes report.</summary>
    static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    public static async Task<IResult> StreamAsync(
        long id, ConfigStore store, IHostApplicationLifetime lifetime, IOptions<JsonOptions> json, TimeProvider time, CancellationToken cancellationToken)
    {
        if (await FindAsync(id, store, cancellationToken) is not { } first) return PipelineReader.NoPipeline(id);
        return TypedResults.ServerSentEvents(Follow(id, first, store, json.Value.SerializerOptions, time, lifetime.ApplicationStopping, cancellationToken));
    }

    /// <summary>Ends when the client goes, the node stops, the pipeline is deleted, or the config database is away; the client connects again.</summary>
    static async IAsyncEnumerable<SseItem<PipelineAnswer>> Follow(
        long id, PipelineAnswer first, ConfigStore store, JsonSerializerOptions json, TimeProvider time, CancellationToken stopping,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var until = CancellationTokenSource.CreateLinkedTokenSource(stopping, cancellationToken);
        using var timer = new PeriodicTimer(Interval, time);
        string? sent = null;
        var current = (PipelineAnswer?)first;
        while (current is not null)
        {
            var text = JsonSerializer.Serialize(current, json);
            if (text != sent) yield return new SseItem<PipelineAnswer>(current, "pipeline");
            sent = text;
            current = await NextAsync(id, store, timer, until.Token);
        }
    }

    static async Task<PipelineAnswer?> NextAsync(long id, ConfigStore store, PeriodicTimer timer, CancellationToken cancellationToken)
    {
        try
        {
            await timer.WaitForNextTickAsync(cancellationToken);
            return await FindAsync(id, store, cancellationToken);
        }
        catch (Exception e) when (e is OperationCanceledException or ConfigDatabaseUnavailableException)
        {
            return null;
        }
    }

    static async Task<PipelineAnswer?> FindAsync(long id, ConfigStore store, CancellationToken cancellationToken) =>
        await store.Pipelines.FindAsync(id, cancellationToken) is { } pipeline ? await PipelineReader.ReadAsync(store, pipeline, cancellationToken) : null;
}
