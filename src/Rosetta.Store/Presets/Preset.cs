using System.Collections.Immutable;
using System.Text.Json;
using Rosetta.Store.Configuration;
using Rosetta.Store.Pipelines;

namespace Rosetta.Store.Presets;

/// <summary>A saved choice of tables. It is copied when it is used; later changes of it reach no pipeline.</summary>
/// <param name="TableSyncs">In the order they were given; empty means every user table.</param>
public sealed record Preset(long Id, string Name, ImmutableArray<TableSync> TableSyncs, DateTime CreatedAt, DateTime UpdatedAt);

/// <summary>A row of <c>presets</c>.</summary>
sealed record PresetRow
{
    public const string Columns = "id, name, table_syncs::text AS table_syncs, created_at, updated_at";

    public long Id { get; init; }

    public string Name { get; init; } = "";

    public string TableSyncs { get; init; } = "[]";

    public DateTime CreatedAt { get; init; }

    public DateTime UpdatedAt { get; init; }

    public Preset Open() => new(Id, Name, [.. JsonSerializer.Deserialize<TableSync[]>(TableSyncs, StoreTypes.Json)!], CreatedAt, UpdatedAt);

    public static string Write(IReadOnlyList<TableSync> tableSyncs) => JsonSerializer.Serialize(tableSyncs, StoreTypes.Json);
}
