"""A server-side CRM template as a real PBX takes it: one lookup and the report of calls."""

TEMPLATE = """<?xml version="1.0" encoding="utf-8"?>
<Crm Name="DemoDesk" Version="1" Country="Global" SupportsEmojis="true">
  <Number Prefix="AsIs" MaxLength="" />
  <Connection MaxConcurrentRequests="4" />
  <Parameters>
    <Parameter Name="Base" Type="String" Parent="General Configuration" Editor="String" Title="Service URL" Default="" />
    <Parameter Name="Secret" Type="Password" Parent="General Configuration" Editor="String" Title="Access key" Default="" />
    <Parameter Name="ReportCallEnabled" Type="Boolean" Parent="General" Editor="String" Title="Journal calls" Default="True" />
  </Parameters>
  <Authentication Type="No" />
  <Scenarios>
    <Scenario Id="" Type="REST">
      <Request SkipIf="" Url="[Base]/pbx/lookup" MessagePasses="0" Message="" RequestContentType="" RequestEncoding="Json" RequestType="Post" ResponseType="Json">
        <Headers><Value Key="Authorization">Bearer [Secret]</Value></Headers>
        <PostValues><Value Key="number" Passes="1" Type="String">[Number]</Value></PostValues>
      </Request>
      <Rules><Rule Type="Any">hits.url</Rule></Rules>
      <Variables>
        <Variable Name="HUrl" Path="hits.url"><Filter /></Variable>
        <Variable Name="HFirst" Path="hits.first"><Filter /></Variable>
        <Variable Name="HPhone" Path="hits.matched"><Filter /></Variable>
        <Variable Name="HMail" Path="hits.mails.address"><Filter><Rule Type="Equals" Ethalon="work">hits.mails.kind</Rule></Filter></Variable>
      </Variables>
      <Outputs AllowEmpty="false">
        <Output Type="ContactUrl" Passes="0" Value="[HUrl]" />
        <Output Type="FirstName" Passes="0" Value="[HFirst]" />
        <Output Type="PhoneBusiness" Passes="0" Value="[HPhone]" />
        <Output Type="Email" Passes="0" Value="[HMail]" />
        <Output Type="EntityType" Passes="0" Value="Contacts" />
      </Outputs>
    </Scenario>
    <Scenario Id="ReportCall" Type="REST">
      <Request SkipIf="[ReportCallEnabled]!=True" Url="[Base]/pbx/calls" MessagePasses="0" Message="" RequestContentType="" RequestEncoding="Json" RequestType="Post" ResponseType="Json">
        <Headers><Value Key="Authorization">Bearer [Secret]</Value></Headers>
        <PostValues>
          <Value Key="type" Passes="1" Type="String">[CallType]</Value>
          <Value Key="queue" Passes="1" Type="String">[QueueExtension]</Value>
          <Value Key="duration" Passes="1" Type="String">[Duration]</Value>
          <Value Key="started" Passes="2" Type="String">[[CallStartTimeUTC].ToString("yyyy-MM-ddTHH:mm:ssZ")]</Value>
          <Value Key="seconds" Passes="2" Type="Integer">[[[DurationTimespan].get_TotalSeconds()].ToString("F0")]</Value>
          <Object Key="who"><Value Key="agent" Type="String">[Agent]</Value><Array Key="tags"><Value Key="" Type="String">pbx</Value></Array></Object>
          <Value Key="only" If="[CallType]==Missed" Type="Boolean">True</Value>
        </PostValues>
      </Request>
    </Scenario>
  </Scenarios>
</Crm>
"""  # noqa: E501
