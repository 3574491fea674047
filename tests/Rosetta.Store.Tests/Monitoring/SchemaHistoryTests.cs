using Rosetta.Store.Monitoring;
using Xunit;

namespace Rosetta.Store.Tests.Monitoring;

[Collection(nameof(StoreCollection))]
public sealed class SchemaHistoryTests(StoreFixture fixture)
{
    [Fact]
    public async Task Should_remember_shapes_and_add_changes_at_once_and_nothing_for_a_source_that_is_gone()
    {
        await using var store = await fixture.NewStoreAsync();
        var source = await store.AddSourceAsync();
        var history = new SchemaHistoryRepository(store.Database);
        Assert.Empty(await history.ShapesAsync(source.Id, CancellationToken.None));

        await history.RememberAsync(source.Id, [new("public.a", 5, """[{"name": "id"}]""", "x")], [], CancellationToken.None);
        await history.RememberAsync(
            source.Id, [new("public.a", 5, "[]", "y"), new("public.b", 4_000_000_000, "[]", "z")], [new("public.b", "CREATED", """[{"name": "n"}]""")], CancellationToken.None);
        await history.RememberAsync(4711, [new("public.a", 5, "[]", "y")], [new("public.a", "DROPPED", "[]")], CancellationToken.None);

        Assert.Equal([("public.a", 5u, "y"), ("public.b", 4_000_000_000u, "z")], (await history.ShapesAsync(source.Id, CancellationToken.None)).Select(s => (s.Table, s.Oid, s.Fingerprint)));
        var change = Assert.Single((await history.ListAsync(source.Id, 10, 0, CancellationToken.None)).Items);
        Assert.Equal(("public.b", "CREATED", "n"), (change.Table, change.Change, (string)change.Columns[0]!["name"]!));
    }
}
