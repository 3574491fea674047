using System.Net;
using Rosetta.Api.Access;
using Rosetta.Api.Hosting;
using Rosetta.Api.Tests.Hosting;
using Xunit;

namespace Rosetta.Api.Tests.Access;

[Collection(nameof(ApiCollection))]
public sealed class AccessTests(ApiFixture fixture)
{
    [Fact]
    public async Task Should_give_each_role_what_it_may_do()
    {
        await using var api = await ApiHost.StartAsync(
            fixture.Server.ConnectionString("config"), "v:viewer:viewer-key, o:Operator:operator-key,a:admin:admin:key:with:colons");
        var (pipeline, _) = await fixture.AddPipelineAsync();
        const string Admin = "admin:key:with:colons";

        foreach (var key in (string?[])[null, "wrong-key-here"])
        {
            var answer = await api.GetAsync("sources", key);
            Assert.Equal((401, "application/problem+json"), (answer.Status, answer.ContentType));
            Assert.Equal(401, (await api.PostAsync("nowhere", key: key)).Status);
        }

        foreach (var key in (string[])["viewer-key", "operator-key", Admin]) Assert.Equal(200, (await api.GetAsync("sources", key)).Status);
        Assert.Equal(403, (await api.PostAsync($"pipelines/{pipeline}/start", key: "viewer-key")).Status);
        Assert.Equal(200, (await api.PostAsync($"pipelines/{pipeline}/start", key: "operator-key")).Status);
        Assert.Equal(200, (await api.PostAsync($"pipelines/{pipeline}/pause", key: "operator-key")).Status);
        Assert.Equal(200, (await api.PostAsync("sources/test-connection", fixture.Source("x"), "operator-key")).Status);
        var forbidden = await api.PostAsync("sources", fixture.Source(fixture.Name("x")), "operator-key");
        Assert.Equal(403, forbidden.Status);
        Assert.Contains("admin", (string)forbidden.Json["detail"]!, StringComparison.Ordinal);
        Assert.Equal(201, (await api.PostAsync("sources", fixture.Source(fixture.Name("x")), Admin)).Status);
        Assert.Equal(403, (await api.PostAsync("cluster/127.0.0.1:1/down", key: "operator-key")).Status);
        Assert.Equal(404, (await api.PostAsync("cluster/127.0.0.1:1/down", key: Admin)).Status);
        using var health = await api.Health.GetAsync("/health/live");
        Assert.Equal(HttpStatusCode.OK, health.StatusCode);
    }

    [Fact]
    public async Task Should_answer_without_keys_only_what_was_meant_for_this_machine()
    {
        using var rebound = new HttpRequestMessage(HttpMethod.Get, "/api/v1/sources") { Headers = { Host = "evil.example" } };
        using var crossSite = new HttpRequestMessage(HttpMethod.Get, "/api/v1/sources");
        crossSite.Headers.Add("Origin", "http://evil.example");

        using var first = await fixture.Api.Client.SendAsync(rebound);
        using var second = await fixture.Api.Client.SendAsync(crossSite);

        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.Forbidden), (first.StatusCode, second.StatusCode));
    }

    [Fact]
    public void Should_refuse_to_listen_for_others_without_a_key()
    {
        foreach (var address in (string[])["*", "0.0.0.0", "10.1.2.3", "::"])
            Assert.Contains("ROSETTA_API_KEYS", Assert.Throws<ApiSettingException>(() => ApiSettings.Create(address, null, null, null)).Message, StringComparison.Ordinal);
        Assert.Equal([IPAddress.Any], ApiSettings.Create("*", null, null, "a:admin:12345678").Addresses);
        Assert.Equal([IPAddress.IPv6Loopback], ApiSettings.Create("[::1]", null, null, null).Addresses);
        Assert.Contains("Rosetta:Listen:Address", Assert.Throws<ApiSettingException>(() => ApiSettings.Create("nonsense", null, null, null)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("geheimnis")]
    [InlineData("a:admin")]
    [InlineData(":admin:geheimnis")]
    [InlineData("a:root:geheimnis")]
    [InlineData("a:2:geheimnis")]
    [InlineData("a::geheimnis")]
    [InlineData("a:admin:short")]
    [InlineData("a:admin:geheimnis,a:viewer:geheimnis2")]
    public void Should_name_the_setting_of_a_wrong_key_and_not_the_key(string setting)
    {
        var error = Assert.Throws<ApiSettingException>(() => ApiKeys.Parse(setting));

        Assert.Contains("ROSETTA_API_KEYS", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("geheimnis", error.Message, StringComparison.Ordinal);
    }
}
