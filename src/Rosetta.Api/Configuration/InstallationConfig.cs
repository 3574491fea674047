using Rosetta.Store;
using Rosetta.Store.Configuration;
using Rosetta.Store.Destinations;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Presets;
using Rosetta.Store.Sources;

namespace Rosetta.Api.Configuration;

/// <summary>All that is configured, by name.</summary>
sealed record InstallationConfig(
    IReadOnlyDictionary<string, SourceDefinition> Sources,
    IReadOnlyDictionary<string, DestinationDefinition> Destinations,
    IReadOnlyDictionary<string, Preset> Presets,
    IReadOnlyDictionary<string, PipelineDefinition> Pipelines)
{
    const int PageSize = 1000;

    /// <param name="store">In a transaction whatever changes the configuration waits, and the four lists fit together.</param>
    public static async Task<InstallationConfig> ReadAsync(ConfigStore store, CancellationToken cancellationToken)
    {
        // Outside of one, what these use is read after them and so is there.
        var pipelines = await AllAsync(offset => store.Pipelines.ListAsync(PageSize, offset, cancellationToken), p => p.Name);
        return new InstallationConfig(
            await AllAsync(offset => store.Sources.ListAsync(PageSize, offset, cancellationToken), s => s.Name),
            await AllAsync(offset => store.Destinations.ListAsync(PageSize, offset, cancellationToken), d => d.Name),
            await AllAsync(offset => store.Presets.ListAsync(PageSize, offset, cancellationToken), p => p.Name),
            pipelines);
    }

    static async Task<IReadOnlyDictionary<string, T>> AllAsync<T>(Func<int, Task<Page<T>>> read, Func<T, string> name)
    {
        var all = new SortedDictionary<string, T>(StringComparer.Ordinal);
        for (var offset = 0; ; offset += PageSize)
        {
            var page = await read(offset);
            foreach (var item in page.Items) all[name(item)] = item;
            if (page.Items.Length < PageSize) return all;
        }
    }
}
