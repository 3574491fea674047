using System.Text.Json;
using Rosetta.Store.Configuration;
using Rosetta.Store.Pipelines;
using Rosetta.Store.Presets;
using Xunit;

namespace Rosetta.Store.Tests.Presets;

[Collection(nameof(StoreCollection))]
public sealed class PresetRepositoryTests(StoreFixture fixture)
{
    const string Odd = "o'b\"c; DROP TABLE presets; -- \\ größe 表 %s {0} $1 @x :y";

    [Fact]
    public async Task Should_keep_every_field_of_a_choice_of_tables()
    {
        await using var store = await fixture.NewStoreAsync();
        var presets = new PresetRepository(store.Database);
        TableSync[] tables = [new($"public.{Odd}", Odd, [Odd, "b"], Odd, Odd), new("sales.*", Enabled: false)];

        var added = StoreUnderTest.Value(await presets.AddAsync(Odd, tables, CancellationToken.None));

        var read = (await presets.FindAsync(added.Id, CancellationToken.None))!;
        Assert.Equal((Odd, JsonSerializer.Serialize(tables)), (read.Name, JsonSerializer.Serialize(read.TableSyncs)));
        var renamed = StoreUnderTest.Value(await presets.ChangeAsync(added.Id, "renamed", null, CancellationToken.None));
        Assert.Equal(("renamed", 2), (renamed.Name, renamed.TableSyncs.Length));
        Assert.Empty(StoreUnderTest.Value(await presets.ChangeAsync(added.Id, null, [], CancellationToken.None)).TableSyncs);
        Assert.Equal(StoreOutcome.NotFound, (await presets.ChangeAsync(4711, "x", null, CancellationToken.None)).Outcome);
        Assert.Equal(StoreOutcome.NameTaken, (await presets.AddAsync("renamed", [], CancellationToken.None)).Outcome);
        Assert.Equal(1, (await presets.ListAsync(10, 0, CancellationToken.None)).Total);
        StoreUnderTest.Value(await presets.DeleteAsync(added.Id, CancellationToken.None));
        Assert.Equal(StoreOutcome.NotFound, (await presets.DeleteAsync(added.Id, CancellationToken.None)).Outcome);
    }
}
