using System.Text.Json.Nodes;
using Rosetta.Api.Tests.Hosting;
using Xunit;

namespace Rosetta.Api.Tests.Documents;

[Collection(nameof(ApiCollection))]
public sealed class OpenApiTests(ApiFixture fixture)
{
    [Fact]
    public async Task Should_describe_every_route_with_its_body_and_answers()
    {
        var document = (await fixture.Api.GetAsync("/openapi/v1.json")).Json;

        Assert.StartsWith("3.1", (string)document["openapi"]!, StringComparison.Ordinal);
        var paths = document["paths"]!.AsObject();
        foreach (var path in (string[])["/api/v1/sources", "/api/v1/sources/{id}/tables", "/api/v1/pipelines/{id}/start", "/api/v1/cluster/{address}/leave",
            "/api/v1/pipelines/{id}/destinations/{destinationId}/tables/{table}/resync", "/health/ready"])
            Assert.True(paths.Select(p => p.Key.TrimEnd('/')).Contains(path), $"{path} is not in {string.Join(" ", paths.Select(p => p.Key))}");
        foreach (var (path, item) in paths)
        {
            foreach (var (method, operation) in item!.AsObject())
            {
                Assert.False(string.IsNullOrEmpty((string?)operation!["summary"]), $"{method} {path} has no summary");
                var success = operation["responses"]!.AsObject().Where(r => r.Key.StartsWith('2')).ToList();
                Assert.True(success.Count == 1, $"{method} {path} has {success.Count} successful answers");
            }
        }

        var create = Resolve(document, paths.Single(p => p.Key.TrimEnd('/') == "/api/v1/sources").Value!["post"]!["requestBody"]!["content"]!["application/json"]!["schema"]!);
        Assert.Equal(["name", "pg_host", "pg_database", "pg_username"], create["required"]!.AsArray().Select(r => (string)r!));
        Assert.Contains("pg_ssl_mode", create["properties"]!.AsObject().Select(p => p.Key));
        var pipeline = Resolve(document, paths["/api/v1/pipelines/{id}"]!["get"]!["responses"]!["200"]!["content"]!["application/json"]!["schema"]!);
        var runtime = Resolve(document, pipeline["properties"]!["runtime"]!);
        Assert.Contains("string", runtime["properties"]!["received_lsn"]!.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_serve_a_page_that_needs_no_other_server()
    {
        using var response = await fixture.Api.Client.GetAsync("/docs");
        var page = await response.Content.ReadAsStringAsync();

        Assert.Equal("text/html", response.Content.Headers.ContentType?.MediaType);
        Assert.DoesNotContain("src=\"http", page, StringComparison.Ordinal);
        Assert.DoesNotContain("cdn", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("fonts.", page, StringComparison.OrdinalIgnoreCase);
    }

    static JsonNode Resolve(JsonNode document, JsonNode schema)
    {
        while (schema["$ref"] is { } reference)
            schema = document["components"]!["schemas"]![((string)reference!)["#/components/schemas/".Length..]]!;
        return schema;
    }
}
